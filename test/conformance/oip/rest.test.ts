import { serveEcho } from '@flotilla/agent/runner/fixtures/binary';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { serve } from '@flotilla/agent/runner/fixtures/served';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from './check.js';
import { serveWrongly } from './fixtures.js';
import { reportOf, table } from './report.js';
import { restChecks, runRest } from './rest/suite.js';

const failed = (outcomes: readonly Outcome[]) => outcomes.filter(({ result }) => result === 'fail');
const skipped = (outcomes: readonly Outcome[]) => outcomes.filter(({ result }) => result === 'skip').map(({ id }) => id);

describe('a slot speaks the protocol', () => {
  const workshop = new Workshop();
  let whole: Outcome[][];
  beforeAll(async () => {
    const [kinds, integers] = [await serveEcho(workshop, 'FP32'), await serveEcho(workshop, 'UINT16')];
    const colour = await serve(workshop, await workshop.smallRelease('colour'));
    const slots = [kinds.slot, integers.slot, colour];
    whole = [];
    for (const { base } of slots) whole.push(await runRest({ url: base, model: 'inspection' }));
    await Promise.all(slots.map((slot) => slot.close()));
  });
  afterAll(() => workshop.clear());

  test('without a failure, whatever its model', () => {
    expect(whole.flatMap(failed)).toEqual([]);
  });

  test('and no check is skipped for all of the models', () => {
    const everywhere = skipped(whole[0]!).filter((id) => whole.every((outcomes) => skipped(outcomes).includes(id)));
    expect(everywhere).toEqual([]);
  });
});

describe('a server that does not is told', () => {
  let outcomes: Outcome[];
  beforeAll(async () => {
    const wrong = await serveWrongly();
    outcomes = await runRest({ url: wrong.url, model: 'broken' });
    await wrong.close();
  });

  test.each([
    'rest.health.live-body',
    'rest.health.unknown-model-not-ready',
    'rest.metadata.server',
    'rest.infer.json',
    'rest.infer.signature',
    'rest.infer.requested-outputs',
    'rest.infer.id',
    'rest.error.unknown-model',
    'rest.error.malformed-json',
    'rest.error.malformed-json.status',
    'rest.error.too-few-values',
    'rest.binary.in',
    'rest.binary.out-all',
    'rest.binary.error.header-missing',
    'rest.transport.pipelining',
  ])('of %s', (id) => {
    expect(outcomes.find((outcome) => outcome.id === id)).toMatchObject({ result: 'fail', sent: expect.any(String) });
  });

  test('and what it does right is not held against it', () => {
    const passed = outcomes.filter(({ result }) => result === 'pass').map(({ id }) => id);
    expect(passed).toContain('rest.health.live');
    expect(passed).toContain('rest.metadata.model');
    expect(passed).toContain('rest.transport.keep-alive');
  });

  test('with what was sent and what came, in the table', () => {
    const report = reportOf({}, outcomes);
    expect(report.failedMust).toBeGreaterThan(20);
    expect(table(report)).toMatch(
      /fail {2}MUST {4}rest\.error\.malformed-json .*\n.*\n +sent: +POST \/v2\/models\/broken\/infer \{"inputs": \[\n +came: +500 \{"message":"oops"\}/,
    );
  });
});

test('each check has a name of its own', () => {
  expect(new Set(restChecks.map(({ id }) => id)).size).toBe(restChecks.length);
});
