import type { TensorSignature } from '@flotilla/protocol';
import { serveEcho } from '@flotilla/agent/runner/fixtures/binary';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { anywhere, serve } from '@flotilla/agent/runner/fixtures/served';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from './check.js';
import { runGrpc, grpcChecks } from './grpc/suite.js';
import { serveGrpcWrongly } from './grpc/wrong-server.js';
import { restChecks } from './rest/suite.js';
import { type Datatype, datatypes } from './values.js';

const failed = (outcomes: readonly Outcome[]) => outcomes.filter(({ result }) => result === 'fail');
const skipped = (outcomes: readonly Outcome[]) => outcomes.filter(({ result }) => result === 'skip').map(({ id }) => id);

const stem = (type: Datatype) => (type === 'BYTES' ? 'text' : type.toLowerCase());
const ends = (end: 'in' | 'out'): TensorSignature[] =>
  datatypes.filter((type) => type !== 'FP16').map((type) => ({ name: `${stem(type)}_${end}`, type, shape: [-1, 2] }));

describe('a slot speaks the protocol over gRPC', () => {
  const workshop = new Workshop();
  let whole: Outcome[][];
  beforeAll(async () => {
    const listen = { grpc: anywhere };
    const typed = await workshop.smallRelease('typed', {
      inputs: ends('in'),
      outputs: ends('out'),
      preprocess: [],
      postprocess: [],
    });
    const slots = [
      (await serveEcho(workshop, 'FP32', listen)).slot,
      await serve(workshop, typed, {}, listen),
      await serve(workshop, await workshop.smallRelease('colour'), {}, listen),
    ];
    whole = [];
    for (const { ports } of slots) whole.push(await runGrpc({ grpc: `127.0.0.1:${ports.grpc}`, model: 'inspection' }));
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
    const wrong = await serveGrpcWrongly();
    outcomes = await runGrpc({ grpc: wrong.url, model: 'broken' });
    await wrong.close();
  });

  test.each([
    'grpc.health.live',
    'grpc.health.unknown-model-not-ready',
    'grpc.metadata.server',
    'grpc.metadata.unknown-model',
    'grpc.infer.raw',
    'grpc.infer.typed',
    'grpc.infer.signature',
    'grpc.infer.id',
    'grpc.infer.requested-outputs',
    'grpc.error.unknown-model',
    'grpc.error.no-inputs.code',
    'grpc.error.raw-short',
    'grpc.error.raw-and-typed',
  ])('of %s', (id) => {
    expect(outcomes.find((outcome) => outcome.id === id)).toMatchObject({ result: 'fail', sent: expect.any(String) });
  });

  test('and what it does right is not held against it, nor what it does not offer', () => {
    const results = Object.fromEntries(outcomes.map(({ id, result }) => [id, result]));
    expect(results).toMatchObject({
      'grpc.health.ready': 'pass',
      'grpc.metadata.model': 'pass',
      'grpc.error.no-inputs': 'pass',
      'grpc.error.unknown-method': 'pass',
      'grpc.triton.model-config': 'skip',
      'grpc.triton.stream': 'skip',
      'grpc.health.standard': 'skip',
    });
  });
});

test('each check has a name of its own', () => {
  const ids = [...grpcChecks, ...restChecks].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
