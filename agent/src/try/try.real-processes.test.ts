import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../fixtures/eventually.js';
import { Shown } from './follow.js';

const repository = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const agent = repository('agent/bin/flotilla-agent.js');
const known = (path: string): unknown => JSON.parse(readFileSync(repository(`agent/examples/${path}`), 'utf8'));

let folder: string;
const begun: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'try-'));
});
afterEach(async () => {
  for (const child of begun.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** The command as a user starts it; its temporary files lie in a folder of their own. */
function begin(...args: string[]) {
  const child = spawn(process.execPath, [agent, 'try', ...args], { env: { ...process.env, TMPDIR: folder } });
  begun.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => void child.once('close', resolve));
  const lines = () => said.out.split('\n').slice(0, -1);
  return { child, said, ended, lines, page: () => /http:\S+/.exec(said.err)?.[0] };
}

async function resultsOf(...args: string[]): Promise<Shown[]> {
  const { said, ended, lines } = begin(...args, '--once', '--json');
  expect([await ended, said.err]).toEqual([0, expect.stringContaining('The page: http://127.0.0.1:')]);
  expect(await readdir(folder)).toEqual([]);
  return lines().map((line) => Shown.parse(JSON.parse(line)));
}

/** How far an onset or an end may lie from where the loudness says it is. */
const toleranceS = 0.3;

const childrenOf = ({ pid }: ChildProcess) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
const isGone = (pid: number) => !existsSync(`/proc/${pid}`);

// Built by `npm test` before anything is run; a bare `vitest run` on a fresh clone has no agent yet.
describe.skipIf(!existsSync(repository('agent/dist/try/try.js')))('flotilla-agent try', { timeout: 120_000 }, () => {
  test('presence-detector finds as many faces as there are, frame by frame', async () => {
    const faces = z.array(z.object({ whole: z.int(), cut: z.int() })).parse(known('presence-detector/faces.json'));
    const results = await resultsOf('presence-detector');
    expect(results.map(({ source }) => source)).toEqual(faces.map((_, i) => `faces.mjpeg#${i + 1}`));
    for (const [i, { whole, cut }] of faces.entries()) {
      const found = results[i]!.boxes!.length;
      // Of a face that the edge of the picture cuts, either is right.
      expect([i, found >= whole && found <= whole + cut]).toEqual([i, true]);
    }
  });

  test('speech-activity hears both sentences, and nothing between them', async () => {
    const sentences = z.array(z.object({ from: z.number(), to: z.number() })).parse(known('speech-activity/speech.json'));
    const results = await resultsOf('speech-activity');
    const began = Date.parse(results[0]!.capturedAt!);
    const offsetOf = (time: string) => (Date.parse(time) - began) / 1000;
    const segments = results.flatMap(({ segment }) =>
      segment?.end ? [[offsetOf(segment.onset), offsetOf(segment.end)] as const] : [],
    );
    expect(segments.length).toBeGreaterThanOrEqual(sentences.length);
    for (const [onset, end] of segments)
      expect(
        sentences.some(({ from, to }) => onset > from - toleranceS && end < to + toleranceS),
        `${onset}…${end}`,
      ).toBe(true);
    for (const { from, to } of sentences) {
      const heard = segments.reduce((sum, [onset, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(onset, from)), 0);
      expect(heard / (to - from)).toBeGreaterThan(0.8);
    }
    // Window by window, without one that was lost or doubled.
    expect(results.map(({ capturedAt }) => Math.round(offsetOf(capturedAt!) * 1000))).toEqual(results.map((_, i) => 32 * i));
  });

  test('label-reader reads each line of each label', async () => {
    const labels = z.record(z.string(), z.array(z.string())).parse(known('label-reader/labels.json'));
    const results = await resultsOf('label-reader');
    expect(results.map(({ source }) => source)).toEqual(Object.keys(labels));
    // Blanks are this network's weak side.
    const tight = (text: string) => text.replaceAll(' ', '');
    for (const { source, boxes = [] } of results)
      expect(boxes.map(({ text }) => tight(text!.value)).toSorted()).toEqual(labels[source!]!.map(tight).toSorted());
  });

  test('shows what it finds on a page, with the picture, until it is told to end; nothing is left of it', async () => {
    const trial = begin('presence-detector');
    await eventually(() => trial.lines().some((line) => /\d × face \(\d\d %\)/.test(line)), 60_000);
    const page = trial.page()!;
    const get = (path: string) => fetch(new URL(path, page));
    expect(await (await get('')).text()).toContain('<script type="module" src="page.js">');
    for (const path of ['page.js', 'drawing.js', 'page.css']) expect((await get(path)).status).toBe(200);
    expect(await (await get('about')).json()).toMatchObject({ name: 'presence-detector', kind: 'pictures' });
    const recent = z.array(Shown).parse(await (await get('recent')).json());
    expect(recent.map(({ seq }) => seq)).toEqual(recent.map((_, i) => recent[0]!.seq + i));
    const picture = await get('picture');
    expect(picture.headers.get('content-type')).toBe('image/jpeg');
    expect(Number(picture.headers.get('flotilla-sequence'))).toBeGreaterThan(0);
    const children = childrenOf(trial.child);
    expect(children).toHaveLength(2);
    trial.child.kill('SIGTERM');
    expect(await trial.ended).toBe(0);
    expect(children.filter((pid) => !isGone(pid))).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });

  test('takes its processes with it when it is killed, and the next one clears up', async () => {
    const trial = begin('presence-detector');
    await eventually(() => trial.lines().length > 0, 60_000);
    const children = childrenOf(trial.child);
    trial.child.kill('SIGKILL');
    await trial.ended;
    await eventually(() => children.every(isGone));
    const [left] = await readdir(folder);
    // One that has just been made might be another's that begins.
    await utimes(join(folder, left!), 0, 0);
    await resultsOf('presence-detector');
  });

  test.each([
    [['lable-reader'], 78, 'There is no example "lable-reader": there are: label-reader, presence-detector, speech-activity'],
    [['presence-detector', '--source', 'none'], 78, 'There is no none; --source takes a folder of pictures, a video file'],
    [['presence-detector', '--port', 'http'], 78, '--port http is no port'],
  ])('%j says what is wrong', async (args, code, why) => {
    const { said, ended } = begin(...args);
    expect([await ended, said.err]).toEqual([code, expect.stringContaining(why)]);
    expect(await readdir(folder)).toEqual([]);
  });

  test('says that its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => void other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const { said, ended } = begin('presence-detector', '--port', String(port));
    expect([await ended, said.err]).toEqual([69, expect.stringContaining(`on 127.0.0.1:${port}: another program has that port`)]);
    expect(await readdir(folder)).toEqual([]);
    other.close();
  });

  test('says that a folder has no picture in it', async () => {
    const pictures = join(folder, 'pictures');
    await mkdir(pictures);
    const { said, ended } = begin('presence-detector', '--source', pictures, '--once');
    expect([await ended, said.err]).toEqual([78, expect.stringContaining('holds no picture')]);
  });
});
