import { afterEach, expect, test } from 'vitest';
import { parseExposition } from './fixtures/exposition.js';
import { Workshop } from './fixtures/orders.js';
import { type Served, serve } from './fixtures/served.js';

const workshop = new Workshop();
let slot: Served;
afterEach(async () => {
  await slot.close();
  await workshop.clear();
});

const infer = async (values: number[]) => {
  const input = { name: 'x', datatype: 'FP32', shape: [1, 256], data: values };
  const answer = await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [input] }));
  const { outputs } = (await answer.json()) as { outputs?: [{ shape: number[]; data: number[] }] };
  return { status: answer.status, output: outputs?.[0] };
};
/** Two inputs that the model tells apart. */
const wave = (length: number) => Array.from({ length: 256 }, (_, i) => Math.fround(Math.cos((512 * i) / length)));

test('many clients are answered each with its own, in fewer runs than requests, and the figures say so', async () => {
  const order = await workshop.smallRelease('mlp', {
    inputs: [{ name: 'x', type: 'FP32', shape: [-1, 256] }],
    outputs: [{ name: 'scores', type: 'FP32', shape: [-1, 16] }],
    preprocess: [],
    postprocess: [],
    batching: { maxBatch: 8, maxDelayMs: 50 },
  });
  slot = await serve(workshop, order);
  const alone = await infer(wave(1));
  expect(alone).toMatchObject({ status: 200, output: { shape: [1, 16] } });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => infer(wave(i % 2 ? 1 : 3))));
  for (const [i, { status, output }] of answers.entries()) {
    expect(status).toBe(200);
    const same = output!.data.every((value, j) => Math.abs(value - alone.output!.data[j]!) < 1e-3);
    expect(same).toBe(i % 2 === 1);
  }
  const figures = Object.fromEntries(parseExposition(await (await fetch(`${slot.base}/metrics`)).text()));
  expect(figures).toMatchObject({
    'flotilla_inferences_total{slot="inspection",result="ok"}': 41,
    'flotilla_batch_rows_max{slot="inspection"}': 8,
  });
  expect(figures['flotilla_batching_gain{slot="inspection"}']).toBeGreaterThan(1.1);
  expect(figures['flotilla_inference_executions_total{slot="inspection"}']).toBeLessThan(41);
});
