import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Echo, binaryRequest, inferBinary, inferBytes, serveEcho, zeros } from '../fixtures/binary.js';
import { eventually } from '../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { sum, windows } from '../fixtures/served.js';

const workshop = new Workshop();
let echo: Echo;
beforeAll(async () => {
  echo = await serveEcho(workshop, 'FP32');
});
afterAll(async () => {
  await echo.slot.close();
  await workshop.clear();
});

/** A request in its parts: changed one after the other, then put together. */
type Parts = { head: Record<string, unknown>; blobs: Buffer[]; json?: string; length?: string; keep?: number; coding?: string };
type Mutation = (parts: Parts) => void;

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.integer(),
  fc.constantFrom(-1, Infinity, 2 ** 53, '16', '__proto__', 4e9),
);
const inputsOf = ({ head }: Parts) => (head['inputs'] ?? []) as Record<string, unknown>[];
const someInput = (parts: Parts, index: number): Record<string, unknown> => {
  const inputs = inputsOf(parts);
  const input = inputs[index % Math.max(1, inputs.length)];
  return typeof input === 'object' && input ? input : {};
};

const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(8), fc.constantFrom('name', 'datatype', 'shape', 'parameters', 'data'), junk).map(
    ([index, key, value]): Mutation =>
      (parts) =>
        void (someInput(parts, index)[key] = value),
  ),
  fc.tuple(fc.nat(8), fc.oneof(junk, fc.nat(100))).map(
    ([index, size]): Mutation =>
      (parts) =>
        void (someInput(parts, index)['parameters'] = { binary_data_size: size }),
  ),
  fc.tuple(fc.nat(8), fc.array(fc.nat(5), { maxLength: 3 })).map(
    ([index, shape]): Mutation =>
      (parts) =>
        void (someInput(parts, index)['shape'] = shape),
  ),
  fc.tuple(fc.constantFrom('id', 'parameters', 'inputs', 'outputs', 'more'), junk).map(
    ([key, value]): Mutation =>
      ({ head }) =>
        void (key !== 'inputs' || Array.isArray(value) ? (head[key] = value) : delete head[key]),
  ),
  fc
    .array(
      fc.record({
        name: fc.constantFrom('fp32_out', 'text_out', 'x'),
        parameters: fc.dictionary(fc.constantFrom('binary_data', 'classification'), junk),
      }),
    )
    .map(
      (outputs): Mutation =>
        ({ head }) =>
          void (head['outputs'] = outputs),
    ),
  fc.nat(8).map(
    (index): Mutation =>
      (parts) =>
        void inputsOf(parts).push(...inputsOf(parts).splice(0, index)),
  ),
  fc.nat(8).map(
    (index): Mutation =>
      (parts) =>
        void inputsOf(parts).splice(index, 1),
  ),
  fc
    .tuple(
      fc.nat(8),
      fc.oneof(
        fc.uint8Array({ maxLength: 7 }),
        fc.nat(40).map((length) => new Uint8Array(length)),
      ),
    )
    .map(
      ([index, bytes]): Mutation =>
        ({ blobs }) =>
          void (blobs[index] = Buffer.from(bytes)),
    ),
  fc.uint8Array({ minLength: 1, maxLength: 9 }).map(
    (bytes): Mutation =>
      ({ blobs }) =>
        void blobs.push(Buffer.from(bytes)),
  ),
  fc.oneof(fc.string({ maxLength: 60 }), fc.json({ maxDepth: 3 })).map(
    (json): Mutation =>
      (parts) =>
        void (parts.json = json),
  ),
  fc.oneof(fc.nat(3000).map(String), fc.constantFrom('-1', 'NaN', '1e3', '0x10', ' ', '99999999999999999999', '1, 1')).map(
    (length): Mutation =>
      (parts) =>
        void (parts.length = length),
  ),
  fc.double({ min: 0, max: 1, noNaN: true }).map(
    (keep): Mutation =>
      (parts) =>
        void (parts.keep = keep),
  ),
  fc.constantFrom('gzip', 'deflate', 'br', 'identity', 'honest gzip').map(
    (coding): Mutation =>
      (parts) =>
        void (parts.coding = coding),
  ),
);

function put({ head, blobs, json = JSON.stringify(head), length, keep = 1, coding }: Parts) {
  const whole = Buffer.concat([Buffer.from(json), ...blobs.filter((blob) => blob !== undefined)]);
  const cut = whole.subarray(0, Math.ceil(whole.length * keep));
  const headers = {
    'inference-header-content-length': length ?? String(Buffer.byteLength(json)),
    ...(coding ? { 'content-encoding': coding.replace('honest ', '') } : {}),
  };
  return { body: coding === 'honest gzip' ? gzipSync(cut) : cut, headers };
}

test('a binary request, however broken, is answered or refused, and never counts against the release', async () => {
  const statuses = new Map<number, number>();
  const mutate = async (changes: Mutation[]) => {
    const parts: Parts = { ...binaryRequest(echo.inputs, zeros) };
    for (const change of changes) change(parts);
    const { body, headers } = put(parts);
    const { status, error } = await inferBytes(echo.slot, body, headers);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status !== 200) expect(error).toBeTruthy();
    expect([200, 400, 415]).toContain(status);
  };
  await fc.assert(fc.asyncProperty(fc.array(mutations, { minLength: 0, maxLength: 3 }), mutate), { numRuns: 300 });
  expect(statuses.get(200)).toBeGreaterThan(10);
  expect(statuses.get(400)).toBeGreaterThan(100);
  expect((await inferBinary(echo.slot, binaryRequest(echo.inputs, zeros))).status).toBe(200);
  await eventually(() => windows(echo.slot.sent).some(({ ok }) => ok > 0));
  expect(sum(echo.slot.sent, 'errors')).toBe(0);
});
