import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allUp,
  canonicalJson,
  decodeClaimToken,
  decodePayload,
  describeIssues,
  DeviceId,
  digestOf,
  downTopic,
  Duration,
  encodeClaimToken,
  encodePayload,
  fromColumns,
  maxPayloadBytes,
  mergeSketches,
  parseUpTopic,
  quantileUs,
  ReleaseFile,
  RolloutPlan,
  sha256,
  sharedUp,
  sketchCount,
  sketchOf,
  TenantId,
  toColumns,
  upTopic,
} from './index.js';

const tenant = TenantId.parse('default');
const device = DeviceId.parse('lyon-1');

describe('topics', () => {
  it('name one device and one direction', () => {
    expect(upTopic(tenant, device, 'birth')).toBe('fl/v1/default/lyon-1/up/birth');
    expect(downTopic(tenant, device, 'ack')).toBe('fl/v1/default/lyon-1/dn/ack');
    expect([allUp, sharedUp()]).toEqual(['fl/v1/+/+/up/#', '$share/cp/fl/v1/+/+/up/#']);
  });
  it('are parsed back', () => expect(parseUpTopic('fl/v1/default/lyon-1/up/event')).toEqual({ tenant, device, kind: 'event' }));
  it.each([
    'fl/v1/default/lyon-1/dn/ack',
    'fl/v2/default/lyon-1/up/birth',
    'fl/v1/default/a b/up/birth',
    'fl/v1//x/up/birth',
    'fl/v1/default/lyon-1/up/weather',
    'fl/v1/default/lyon-1/up/birth/x',
    '',
  ])('that are not a device’s own are nothing: %j', (topic) => expect(parseUpTopic(topic)).toBeNull());
});

describe('columns', () => {
  const value = fc.oneof(
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.array(fc.integer()),
    fc.dictionary(fc.string({ maxLength: 5 }), fc.integer()),
  );
  const key = fc.stringMatching(/^[a-z]{1,5}$/);
  const few = fc.constantFrom('a', 'b', 'c', 'd');
  it.each([
    ['of all kinds', key],
    ['of few kinds, over and over', few],
  ])('give rows %s back', (_, names) =>
    fc.assert(
      fc.property(fc.array(fc.dictionary(names, value, { maxKeys: 5 }), { maxLength: 60 }), (rows) => {
        expect(fromColumns(toColumns(rows))).toEqual(rows.map((row) => ({ ...row })));
      }),
    ),
  );
});

describe('a payload', () => {
  it('is JSON when small and gzip above 1 KiB', () => {
    expect(encodePayload({ a: 1 }).toString()).toBe('{"a":1}');
    expect(encodePayload({ a: 'x'.repeat(2000) })[0]).toBe(0x1f);
  });
  it('comes back whatever its size', () =>
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), (json) => {
        expect(decodePayload(encodePayload(JSON.parse(json)))).toEqual(JSON.parse(json));
      }),
    ));
  it('is refused above 256 KiB, as sent and as received', () => {
    const noise = Array.from({ length: maxPayloadBytes / 4 }, (_, i) => sha256(String(i)).slice(0, 8));
    expect(() => encodePayload(noise)).toThrow(/at most 262144 fit/);
    expect(() => decodePayload(new Uint8Array(maxPayloadBytes + 1))).toThrow(/at most 262144 are read/);
  });
  it.each([
    ['garbage', Buffer.from('\u0000\u0001nonsense')],
    ['gzip of nothing', Buffer.from([0x1f, 0x8b, 1, 2, 3])],
  ])('of %s says so', (_name, bytes) => expect(() => decodePayload(bytes)).toThrow(/neither JSON nor gzipped JSON/));
  it('that would unpack to a bomb is refused', async () => {
    const { gzipSync } = await import('node:zlib');
    expect(() => decodePayload(gzipSync(Buffer.alloc(32 * 1024 * 1024)))).toThrow(/neither JSON nor gzipped JSON/);
  });
});

describe('a sketch', () => {
  const values = fc.array(fc.double({ min: 10, max: 2e8, noNaN: true }), { minLength: 1, maxLength: 200 });
  it('merges exactly, in any order', () =>
    fc.assert(
      fc.property(values, values, (a, b) => {
        const together = sketchOf([...a, ...b]);
        expect(mergeSketches([sketchOf(a), sketchOf(b)])).toEqual(together);
        expect(mergeSketches([sketchOf(b), sketchOf(a)])).toEqual(together);
        expect(sketchCount(together)).toBe(a.length + b.length);
      }),
    ));
  it('answers quantiles to 2.5 %', () =>
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
        const exact = list.toSorted((a, b) => a - b)[Math.floor(q * (list.length - 1))]!;
        expect(Math.abs(quantileUs(sketchOf(list), q)! - exact) / exact).toBeLessThanOrEqual(0.026);
      }),
    ));
  it('of nothing has no quantile', () => expect(quantileUs(sketchOf([]), 0.5)).toBeUndefined());
  it('keeps what lies outside its range in its first and last bin', () => expect(sketchCount(sketchOf([0, 1e12]))).toBe(2));
});

describe('a digest', () => {
  it('does not depend on the order of keys', () =>
    expect(digestOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(digestOf({ b: { d: null, c: [1, 2] }, a: 1 })));
  it('leaves undefined out, as JSON does', () => expect(canonicalJson({ a: undefined, b: [undefined] })).toBe('{"b":[null]}'));
});

describe('a claim token', () => {
  const token = { server: 'https://flotilla.example:8443', ca: sha256('ca'), secret: 's'.repeat(43) };
  it('survives the way through a terminal', () => expect(decodeClaimToken(` ${encodeClaimToken(token)}\n`)).toEqual(token));
  it.each([
    ['something else', 'hello'],
    ['half of one', encodeClaimToken(token).slice(0, 40)],
    ['one for plain http', `fl1.${Buffer.from(JSON.stringify({ ...token, server: 'http://x' })).toString('base64url')}`],
  ])('that is %s is refused without showing it', (_name, text) => {
    expect(() => decodeClaimToken(text)).toThrow(/^not a claim token/);
    expect(() => decodeClaimToken(text)).not.toThrow(token.secret);
  });
});

describe('a duration', () => {
  it.each([
    ['90s', 90],
    ['10m', 600],
    ['1.5h', 5400],
    ['7d', 604_800],
    [12, 12],
  ])('%s', (written, seconds) => expect(Duration.parse(written)).toBe(seconds));
  it('needs a unit', () => expect(Duration.safeParse('ten minutes').success).toBe(false));
});

describe('a written file', () => {
  const say = (schema: typeof ReleaseFile | typeof RolloutPlan, value: unknown) =>
    describeIssues('file.yaml', schema, schema.safeParse(value).error!);
  const plan = {
    name: 'x',
    release: 'm@1.0.0',
    slot: 's',
    target: '*',
    stages: [{ name: 'all', percent: 100 }],
    gates: [{ metric: 'errors', max: 0.1 }],
  };
  it('that is right has nothing to say', () => expect(RolloutPlan.safeParse(plan).success).toBe(true));
  it('with an unknown key names the nearest known one', () =>
    expect(say(RolloutPlan, { ...plan, onBreech: 'pause' })).toBe('file.yaml: unknown key "onBreech"; did you mean "onBreach"?'));
  it('with an unknown key in a stage says where', () =>
    expect(say(RolloutPlan, { ...plan, stages: [{ name: 'all', percent: 100, soke: '5s' }] })).toBe(
      'file.yaml: stages.0: unknown key "soke"; did you mean "soak"?',
    ));
  it('with nothing near does not guess', () =>
    expect(say(RolloutPlan, { ...plan, zebra: 1 })).toBe('file.yaml: unknown key "zebra"'));
  it('names what is missing, and where', () =>
    expect(say(ReleaseFile, { apiVersion: 'flotilla/v1', kind: 'Release' })).toContain('file.yaml: model: '));
  it('cannot batch what has no free first dimension, and says which', () => {
    const tensor = (name: string, shape: number[], type = 'FP32') => ({ name, type, shape });
    const release = (input: object, output: object) => ({
      apiVersion: 'flotilla/v1',
      kind: 'Release',
      model: 'm',
      version: '1.0.0',
      inputs: [input],
      outputs: [output],
      variants: [{ file: 'm.onnx', precision: 'fp32', providers: ['cpu'] }],
      batching: { maxBatch: 8 },
    });
    expect(ReleaseFile.parse(release(tensor('x', [-1, 2]), tensor('y', [-1]))).batching).toEqual({ maxBatch: 8, maxDelayMs: 0 });
    expect(say(ReleaseFile, release(tensor('x', [-1, 2]), tensor('y', [1, 2])))).toBe(
      'file.yaml: batching: y has the shape [1,2]: a batch needs a free first dimension (-1) in every input and output',
    );
    expect(say(ReleaseFile, release(tensor('x', [-1], 'BYTES'), tensor('y', [-1])))).toBe(
      'file.yaml: batching: the input x is BYTES, which is never batched',
    );
  });
  describe('with an example of an input', () => {
    const release = (type: string, shape: number[], example: object) => ({
      apiVersion: 'flotilla/v1',
      kind: 'Release',
      model: 'm',
      version: '1.0.0',
      inputs: [{ name: 'x', type, shape, example }],
      outputs: [{ name: 'y', type: 'FP32', shape: [1] }],
      variants: [{ file: 'm.onnx', precision: 'fp32', providers: ['cpu'] }],
    });
    it.each<[string, number[], object]>([
      ['FP32', [-1, 2], { shape: [1, 2] }],
      ['INT64', [], { shape: [], value: 16_000 }],
      ['UINT8', [1], { value: 255 }],
      ['BOOL', [1], { value: 1 }],
      ['FP16', [1], { value: 0.5 }],
    ])('%s %j takes %j', (...of) => expect(ReleaseFile.safeParse(release(...of)).success).toBe(true));
    it.each<[string, number[], object, string]>([
      ['FP32', [-1, 2], { shape: [1, 3] }, 'shape: [1,3] does not fit [-1,2] (-1 is free)'],
      ['FP32', [-1, 2], { shape: [1] }, 'shape: [1] does not fit [-1,2] (-1 is free)'],
      ['FP32', [-1, -1], { shape: [1e6, 1e6] }, 'shape: [1000000,1000000] has more than 16777216 elements'],
      ['UINT8', [1], { value: 256 }, 'value: 256 is no UINT8'],
      ['INT8', [1], { value: -129 }, 'value: -129 is no INT8'],
      ['INT64', [1], { value: 0.5 }, 'value: 0.5 is no INT64'],
      ['BOOL', [1], { value: 2 }, 'value: 2 is no BOOL'],
      ['BYTES', [1], { value: 1 }, 'value: 1 is no BYTES'],
    ])('%s %j refuses %j', (type, shape, example, why) =>
      expect(say(ReleaseFile, release(type, shape, example))).toBe(`file.yaml: inputs.0.example.${why}`),
    );
  });
  it('with a wrong value in a gate says which', () =>
    expect(say(RolloutPlan, { ...plan, gates: [{ metric: 'errors', max: 2 }] })).toMatch(/^file.yaml: gates.0.max: /));
  it('cannot target twice', () =>
    expect(say(RolloutPlan, { ...plan, group: 'g' })).toBe('file.yaml: needs exactly one of target and group'));
  it('cannot gate on nothing', () => expect(say(RolloutPlan, { ...plan, gates: [] })).toMatch(/a rollout without a gate/));
});
