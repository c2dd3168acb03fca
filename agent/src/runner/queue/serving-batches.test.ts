import { afterEach, expect, test } from 'vitest';
import { parseExposition } from '../fixtures/exposition.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, serve } from '../fixtures/served.js';

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

const serveMlp = async (maxDelayMs: number) => {
  const order = await workshop.smallRelease('mlp', {
    inputs: [{ name: 'x', type: 'FP32', shape: [-1, 256] }],
    outputs: [{ name: 'scores', type: 'FP32', shape: [-1, 16] }],
    preprocess: [],
    postprocess: [],
    batching: { maxBatch: 8, maxDelayMs },
  });
  slot = await serve(workshop, order);
};
const metrics = async () => Object.fromEntries(parseExposition(await (await fetch(`${slot.base}/metrics`)).text()));

/** JSON has no word for NaN. */
async function inferNaN(): Promise<number> {
  const input = { name: 'x', datatype: 'FP32', shape: [1, 256], parameters: { binary_data_size: 1024 } };
  const head = Buffer.from(JSON.stringify({ inputs: [input] }));
  const body = Buffer.concat([head, Buffer.from(new Float32Array(256).fill(NaN).buffer)]);
  const headers = { 'inference-header-content-length': String(head.length) };
  return (await fetch(`${slot.base}/v2/models/inspection/infer`, { method: 'POST', body, headers })).status;
}

test("one client's NaN spoils nobody's answer, and is not held against the release", async () => {
  await serveMlp(50);
  const asked = Array.from({ length: 24 }, (_, i) => (i % 3 === 1 ? inferNaN() : infer(wave(1))));
  const answers = (await Promise.all(asked)).filter((answer) => typeof answer === 'object');
  expect(answers).toHaveLength(16);
  for (const { status, output } of answers) {
    expect(status).toBe(200);
    expect(output!.data).toHaveLength(16);
  }
  expect(await metrics()).toMatchObject({ 'flotilla_inferences_total{slot="inspection",result="error"}': 0 });
});

test('many clients are answered each with its own, in fewer runs than requests, and the figures say so', async () => {
  await serveMlp(50);
  const alone = await infer(wave(1));
  expect(alone).toMatchObject({ status: 200, output: { shape: [1, 16] } });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => infer(wave(i % 2 ? 1 : 3))));
  for (const [i, { status, output }] of answers.entries()) {
    expect(status).toBe(200);
    const same = output!.data.every((value, j) => Math.abs(value - alone.output!.data[j]!) < 1e-3);
    expect(same).toBe(i % 2 === 1);
  }
  const figures = await metrics();
  expect(figures).toMatchObject({
    'flotilla_inferences_total{slot="inspection",result="ok"}': 41,
    'flotilla_batch_rows_max{slot="inspection"}': 8,
  });
  expect(figures['flotilla_batching_gain{slot="inspection"}']).toBeGreaterThan(1.1);
  expect(figures['flotilla_inference_executions_total{slot="inspection"}']).toBeLessThan(41);
  const about = async (path: string) => (await fetch(`${slot.base}/v2/models/inspection/${path}`)).json() as Promise<never>;
  expect(await about('config')).toMatchObject({ max_batch_size: 8, input: [{ dims: [256] }] });
  type Batch = { batch_size: number; compute_infer: { count: number } };
  const { model_stats } = (await about('stats')) as { model_stats: [{ execution_count: number; batch_stats: Batch[] }] };
  const [{ execution_count: executions, batch_stats: batches }] = model_stats;
  expect(model_stats).toMatchObject([{ inference_count: 41, inference_stats: { success: { count: 41 } } }]);
  expect(executions).toBe(figures['flotilla_inference_executions_total{slot="inspection"}']);
  expect(batches.reduce((sum, { compute_infer }) => sum + compute_infer.count, 0)).toBe(executions);
  expect(batches.reduce((sum, { batch_size, compute_infer }) => sum + batch_size * compute_infer.count, 0)).toBe(41);
});
