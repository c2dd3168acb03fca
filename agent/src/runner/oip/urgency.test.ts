import { afterAll, beforeAll, expect, test } from 'vitest';
import { binaryRequest, inferBinary, serveEcho, zeros } from '../fixtures/binary.js';
import { eventually } from '../../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, serve, sum } from '../fixtures/served.js';

const workshop = new Workshop();
let slot: Served;
beforeAll(async () => {
  slot = await serve(workshop, await workshop.smallRelease('slow'));
});
afterAll(async () => {
  await slot.close();
  await workshop.clear();
});
const infer = (parameters: object, input = images()) =>
  slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [input], parameters }));

test('what cannot be answered within its timeout is refused with the time to come again, and costs no inference', async () => {
  await infer({});
  const running = infer({});
  const late = await infer({ timeout: 1 });
  expect(late.status).toBe(429);
  expect(Number(late.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await late.json()).toEqual({
    error: expect.stringMatching(/an answer would take about \d+ ms, and is wanted within 0 ms/),
  });
  expect((await running).status).toBe(200);
});

test('the more urgent is answered before those that wait', async () => {
  const answered: string[] = [];
  const ask = async (name: string, priority: number) => {
    expect((await infer({ priority })).status).toBe(200);
    answered.push(name);
  };
  const others = Array.from({ length: 16 }, (_, i) => ask(`other ${i}`, i % 2 === 0 ? 0 : 3));
  await eventually(async () => /queue_depth\{.*\} ([5-9]|1\d)/.test(await (await fetch(`${slot.base}/metrics`)).text()));
  await Promise.all([...others, ask('urgent', 1)]);
  // In order of arrival it would have been the last.
  expect(answered.indexOf('urgent')).toBeLessThan(answered.length - 1);
});

test.each([
  [{ priority: 4 }, 'parameters.priority: '],
  [{ timeout: -1 }, 'parameters.timeout: '],
])('%o is refused', async (parameters, message) => {
  const refused = await infer(parameters);
  expect(refused.status).toBe(400);
  expect(await refused.json()).toEqual({ error: expect.stringContaining(message) });
});

test("a client's NaN is refused where JSON can't carry what it leads to, and not held against the release", async () => {
  const echo = await serveEcho(workshop, 'FP32');
  const index = echo.inputs.findIndex(({ type }) => type === 'FP32');
  const sent = binaryRequest(echo.inputs, zeros);
  sent.blobs[index] = Buffer.alloc(sent.blobs[index]!.length, 0xff);
  const { status, error } = await inferBinary(echo.slot, { ...sent, head: { ...sent.head, parameters: {} } });
  expect([status, error]).toEqual([400, expect.stringMatching(/which JSON can't carry; .*\(the inputs held NaN or infinity\)$/)]);
  await echo.slot.close();
  expect(sum(echo.slot.sent, 'errors')).toBe(0);
});
