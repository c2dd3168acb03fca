import { askCheck } from '@flotilla/control-plane/rollouts/ask-check';
import { PlanCheck } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { anAskedServer, type Reply } from '../support/asked.js';
import type { TestControlPlane } from '../support/control-plane.js';
import { lookedAt } from '../support/looked-at.js';
import { expectReplayed } from '../support/replayed.js';
import { aRunningRig, newer, type RolloutRig } from '../support/rollout-rig.js';
import { digestOfRelease } from '../support/releases.js';

let cp: TestControlPlane;
let rig: RolloutRig;
let its: Awaited<ReturnType<typeof lookedAt>>;
let outside: Awaited<ReturnType<typeof anAskedServer>>;

beforeAll(async () => {
  outside = await anAskedServer();
  ({ cp, rig } = await aRunningRig());
  its = await lookedAt(cp, rig);
});
afterAll(async () => {
  await cp?.stop();
  await outside?.stop();
});
afterEach(() => rig.clear());

const webhook = (change: object = {}) => ({
  checks: [{ type: 'webhook' as const, name: 'qa', url: `${outside.url}/qa`, interval: 1, ...change }],
});

describe('a webhook', () => {
  it('Given a stage that has soaked, When it says yes, Then the stage passes, and it was told of which', async () => {
    const { id, name, devices, looks, ask } = await its.aRollout(1, webhook());
    await its.commit(devices);
    outside.its.reply = { body: { verdict: 'wait', detail: 'two hours of reject rate are needed' } };
    await ask(1);
    expect(await looks(2)).toMatchObject({
      phase: 'running',
      stages: [{ phase: 'analysing', checks: [{ name: 'qa', verdict: 'wait', detail: 'two hours of reject rate are needed' }] }],
    });
    outside.its.reply = { body: { verdict: 'pass' } };
    await ask(5);
    expect((await looks(6, 1)).phase).toBe('completed');
    expect(outside.asked.at(-1)).toMatchObject({
      path: '/qa',
      body: {
        rollout: { id, name: `to-${name}`, digest: digestOfRelease(newer), phase: 'running' },
        stage: { index: 0, name: 'all', phase: 'analysing', counts: { committed: 1 }, gates: [{ verdict: 'pass' }, {}] },
      },
    });
  });

  it('Given devices on the release, When it says no, Then they go back with its words', async () => {
    const { devices, looks, ask } = await its.aRollout(1, webhook());
    await its.commit(devices);
    outside.its.reply = { body: { verdict: 'fail', detail: 'scrap has doubled' } };
    await ask(1);
    expect(await looks(2, 1)).toMatchObject({ phase: 'rolling-back', detail: 'webhook "qa" says no: scrap has doubled' });
    expect(await its.onNewer(devices)).toEqual([]);
  });

  it('Given a source that goes down, When it comes back, Then the rollout has waited for it and goes on by itself', async () => {
    const source = await anAskedServer();
    const { id, devices, looks, ask } = await its.aRollout(1, webhook({ url: source.url, errorLimit: 1 }));
    await its.commit(devices);
    await source.stop();
    await ask(1);
    expect((await looks(2, 1)).phase).toBe('running');
    await ask(3);
    expect(await looks(4, 1)).toMatchObject({
      phase: 'paused',
      reason: 'metrics',
      detail: 'webhook "qa" gives no answer, 2 times in a row: ECONNREFUSED',
    });
    const again = await anAskedServer(source.port);
    again.its.reply = { body: { verdict: 'pass' } };
    await ask(6);
    expect((await looks(7)).phase).toBe('running');
    await ask(10);
    expect((await looks(11, 1)).phase).toBe('completed');
    await expectReplayed(rig.db, id);
    await again.stop();
  });
});

describe('a question', () => {
  const asked = async (change: object, reply: Reply) => {
    outside.its.reply = reply;
    return askCheck(PlanCheck.parse({ type: 'webhook', name: 'qa', url: outside.url, timeout: 0.2, ...change }), {});
  };
  it.each<[string, Reply, string]>([
    ['an error', { status: 503 }, 'it answered 503'],
    ['what is not JSON', { body: 'fine' }, 'its answer is not JSON'],
    ['another verdict', { body: { verdict: 'yes' } }, 'its answer is not what it should be'],
    ['too much', { body: 'x'.repeat(70_000) }, 'its answer is longer than 65536 bytes'],
    ['another place', { status: 302, location: '/elsewhere' }, 'unexpected redirect'],
    ['nothing', 'silence', 'no answer within 0.2 s'],
  ])('that is answered with %s has no answer, and says why', async (_what, reply, words) => {
    expect(await asked({}, reply)).toEqual({ verdict: 'error', detail: expect.stringContaining(words) });
  });

  const prometheus = { type: 'prometheus', query: 'scrap:rate{line="1"}' };
  const vector = (...values: string[]) => ({
    body: {
      status: 'success',
      data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [1, value] })) },
    },
  });
  it.each<[string, object, Reply, object]>([
    ['within its limit', { max: 0.1 }, vector('0.05', '0.1'), { verdict: 'pass', detail: 'most of 2: 0.1, at most 0.1' }],
    ['beyond it', { max: 0.1 }, vector('0.05', '+Inf'), { verdict: 'fail', detail: 'most of 2: Infinity, at most 0.1' }],
    ['below its least', { min: 5 }, vector('9', '4'), { verdict: 'fail', detail: 'least of 2: 4, at least 5' }],
    ['that is none', { max: 1 }, vector(), { verdict: 'wait', detail: 'the query gives no value' }],
    ['that is no number', { max: 1 }, vector('NaN'), { verdict: 'wait', detail: 'the query gives what is not a number' }],
    ['that is one', { max: 1 }, { body: { data: { resultType: 'scalar', result: [1, '0'] } } }, { verdict: 'pass' }],
    ['of a query that is wrong', { max: 1 }, { status: 400 }, { verdict: 'error', detail: 'it answered 400' }],
  ])('to Prometheus, with a value %s', async (_what, limit, reply, verdict) => {
    expect(await asked({ ...prometheus, ...limit }, reply)).toMatchObject(verdict);
    expect(outside.asked.at(-1)!.path).toBe('/api/v1/query?query=scrap%3Arate%7Bline%3D%221%22%7D');
  });
});
