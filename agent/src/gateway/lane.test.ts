import { describe, expect, test } from 'vitest';
import { aLog, eventually } from '../fixtures/eventually.js';
import { ScriptedRunner, aPrediction } from './fixtures/scripted-runner.js';
import { Inspections } from './inspections.js';
import { Lane } from './lane.js';
import { Results, type Result } from './results.js';
import { RunnerError } from './runner-client.js';
import type { Captured } from './source.js';

const picture = (name: string): Captured => ({
  payload: { kind: 'encoded' },
  bytes: new Uint8Array(1),
  capturedAt: Date.now(),
  name,
});
const chunk = (name: string): Captured => ({ ...picture(name), payload: { kind: 'signal', rate: 16_000, channels: 1 } });
const state = new Uint8Array([1, 2, 3]);
const away = () => new RunnerError('unavailable', 'no runner listens');

function aLane(trigger?: { timeoutMs: number }) {
  const runner = new ScriptedRunner();
  const results = new Results(10_000);
  const out: Result[] = [];
  results.subscribe((result) => out.push(result));
  const inspections = trigger && new Inspections({ api: true, ...trigger });
  const states: string[] = [];
  const log = aLog();
  const onSource = ({ state: is }: { state: string }) => void states.push(is);
  const lane = new Lane({ slot: 'inspection', stream: 'camera', runner, results, inspections, log, onSource });
  const names = () => out.map(({ prediction }) => prediction.source);
  return { lane, runner, results, names, out, inspections: inspections!, states, log };
}
const seen = (runner: ScriptedRunner, count: number) => eventually(() => runner.asked.length === count);

describe('a live source', () => {
  test('has its newest picture inferred; what came too fast is dropped and counted', async () => {
    const { lane, runner, names } = aLane();
    for (const name of ['a', 'b', 'c']) lane.offer(picture(name));
    runner.asked[0]!.answer();
    await seen(runner, 2);
    runner.asked[1]!.answer();
    await eventually(() => names().length === 2);
    expect(names()).toEqual(['a', 'c']);
    expect(lane.counts).toMatchObject({ captured: 3, inferred: 2, dropped: 1 });
  });

  test('keeps two under way where the release remembers nothing, and results come out in order', async () => {
    const { lane, runner, names } = aLane();
    lane.offer(picture('a'));
    runner.asked[0]!.answer();
    await eventually(() => names().length === 1);
    lane.offer(picture('b'));
    lane.offer(picture('c'));
    await seen(runner, 3);
    runner.asked[2]!.answer();
    await new Promise(setImmediate);
    expect(names()).toEqual(['a']);
    runner.asked[1]!.answer();
    await eventually(() => names().length === 3);
    expect(names()).toEqual(['a', 'b', 'c']);
  });

  test('sends with each frame what the last one left', async () => {
    const { lane, runner } = aLane();
    lane.offer(chunk('a'));
    lane.offer(chunk('b'));
    expect(runner.asked).toHaveLength(1);
    expect(runner.asked[0]!.frame.state).toBeUndefined();
    runner.asked[0]!.answer({ state });
    await seen(runner, 2);
    expect(runner.asked[1]!.frame.state).toEqual(state);
  });

  test('whose runner goes away has the same picture tried again, until a newer one waits', async () => {
    const { lane, runner, names, log } = aLane();
    lane.offer(picture('a'));
    runner.asked[0]!.fail(away());
    await seen(runner, 2);
    lane.offer(picture('b'));
    runner.asked[1]!.fail(away());
    await seen(runner, 3);
    runner.asked[2]!.answer();
    await eventually(() => names().length === 1);
    expect([runner.names, names()]).toEqual([['a', 'a', 'b'], ['b']]);
    expect(lane.counts).toMatchObject({ captured: 2, inferred: 1, dropped: 1, retried: 1 });
    expect(log.lines.map(({ message }) => message)).toEqual([
      'a frame was not inferred: no runner listens',
      'frames are inferred again',
    ]);
  });

  test('of a signal loses no chunk while no runner is there', async () => {
    const { lane, runner, names } = aLane();
    lane.offer(chunk('a'));
    lane.offer(chunk('b'));
    runner.asked[0]!.fail(away());
    await seen(runner, 2);
    runner.always = ({ head }) => ({ predictions: [aPrediction({ source: head.name })], state });
    runner.asked[1]!.answer({ state });
    await eventually(() => names().length === 2);
    expect(names()).toEqual(['a', 'b']);
  });

  test('says each change of its state once', () => {
    const { lane, states } = aLane();
    for (const is of ['running', 'running', 'waiting'] as const) lane.state({ state: is });
    expect(states).toEqual(['running', 'waiting']);
    expect(lane.source).toEqual({ state: 'waiting' });
  });
});

describe('a source that can wait', () => {
  test('is told what became of each input', async () => {
    const { lane, runner } = aLane();
    const [good, broken] = [lane.submit(picture('a')), lane.submit(picture('b'))];
    runner.asked[0]!.answer({ state });
    expect(await good).toBe('inferred');
    await seen(runner, 2);
    runner.asked[1]!.fail(new RunnerError('refused', 'the picture can not be read'));
    expect(await broken).toBe('refused');
    expect(lane.counts).toMatchObject({ inferred: 1, refused: 1 });
    expect(lane.trouble).toBe('the picture can not be read');
  });

  test('waits while the runner is busy, and is not told to go', async () => {
    const { lane, runner } = aLane();
    const outcome = lane.submit(picture('a'));
    runner.asked[0]!.fail(new RunnerError('busy', '64 requests wait'));
    await seen(runner, 2);
    runner.asked[1]!.answer();
    expect(await outcome).toBe('inferred');
  });

  test('is told at once when the lane closes', async () => {
    const { lane, runner } = aLane();
    const [first, second] = [lane.submit(picture('a')), lane.submit(picture('b'))];
    const closed = lane.close();
    expect(await second).toBe('busy');
    runner.asked[0]!.answer();
    expect(await first).toBe('inferred');
    await closed;
    expect(await lane.submit(picture('c'))).toBe('busy');
  });
});

describe('a trigger', () => {
  test('has one capture made for its command, whose result carries its id', async () => {
    const { lane, runner, inspections } = aLane({ timeoutMs: 20_000 });
    lane.offer(picture('before'));
    inspections.command('part-1');
    lane.offer(picture('the part'));
    lane.offer(picture('after'));
    await seen(runner, 1);
    expect(runner.asked[0]!.frame.head).toMatchObject({ name: 'the part', inspection: 'part-1' });
    runner.asked[0]!.answer();
    expect(await inspections.end('part-1')).toMatchObject({
      state: 'done',
      sequence: 1,
      result: { prediction: { source: 'the part', inspection: 'part-1' } },
    });
    expect(lane.counts).toMatchObject({ captured: 3, inferred: 1, unasked: 2 });
  });

  test('that comes twice is captured once', async () => {
    const { lane, runner, inspections } = aLane({ timeoutMs: 20_000 });
    inspections.command('part-1');
    lane.offer(picture('a'));
    inspections.command('part-1');
    lane.offer(picture('b'));
    runner.asked[0]!.answer();
    await inspections.end('part-1');
    inspections.command('part-1');
    lane.offer(picture('c'));
    expect(runner.names).toEqual(['a']);
  });

  test('waits for a runner that goes away in the middle', async () => {
    const { lane, runner, inspections } = aLane({ timeoutMs: 20_000 });
    inspections.command('part-1');
    lane.offer(picture('a'));
    runner.asked[0]!.fail(away());
    lane.offer(picture('b'));
    await seen(runner, 2);
    runner.asked[1]!.answer();
    expect(await inspections.end('part-1')).toMatchObject({ state: 'done', result: { prediction: { source: 'a' } } });
  });

  test('fails with the reason where its picture is broken, and where none comes', async () => {
    const { lane, runner, inspections } = aLane({ timeoutMs: 50 });
    inspections.command('none');
    expect(await inspections.end('none')).toMatchObject({ state: 'error', reason: 'the source had no picture within 50 ms' });
    inspections.command('broken');
    const outcome = lane.submit(picture('a'));
    runner.asked[0]!.fail(new RunnerError('refused', 'it is no picture'));
    expect(await outcome).toBe('refused');
    expect(await inspections.end('broken')).toMatchObject({ state: 'error', reason: 'it is no picture' });
  });

  test('is never answered with the result of one that is over', async () => {
    const { lane, runner, inspections } = aLane({ timeoutMs: 50 });
    inspections.command('first');
    lane.offer(picture('a'));
    expect(await inspections.end('first')).toMatchObject({ state: 'error', reason: 'there was no result within 50 ms' });
    inspections.command('second');
    runner.asked[0]!.answer();
    await eventually(() => lane.counts.inferred === 1);
    expect(inspections.find('first')).toMatchObject({ state: 'error' });
    expect(inspections.find('second')?.result).toBeUndefined();
  });

  test('on its own pace leaves out the turns in which it may not command', async () => {
    const inspections = new Inspections({ api: true, timeoutMs: 20, acknowledgeMs: 60_000, everyS: 0.01 });
    const states: string[] = [];
    inspections.subscribe(({ state: is }) => void states.push(is));
    inspections.start();
    await eventually(() => states.includes('error'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(inspections.handshake).toMatchObject({ state: 'error', sequence: 1 });
    inspections.acknowledge('every-1');
    await eventually(() => inspections.handshake.sequence === 2);
    inspections.stop('the test is over');
  });

  test('refuses a command while another is under way', () => {
    const { inspections } = aLane({ timeoutMs: 20_000 });
    inspections.command('first');
    expect(() => inspections.command('second')).toThrow('busy with first');
    inspections.stop('the test is over');
  });
});
