import { Features, Recurrent } from '@flotilla/protocol/device';
import { afterEach, expect, test } from 'vitest';
import { decodeAnswer, encodeFrame, frameType } from '../../frame.js';
import { Prediction } from '../../prediction.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, serve } from '../fixtures/served.js';

const workshop = new Workshop();
let slot: Served;
afterEach(async () => {
  await slot.close();
  await workshop.clear();
});

const tensor = (name: string) => ({ name, type: 'FP32' as const, shape: [-1, 2] });
const feedback = { input: 'before', output: 'after', initial: 10, onSwap: 'carry' };
async function serveSum(workers: number, settle = 1) {
  const order = await workshop.smallRelease('sum', {
    inputs: [tensor('x'), tensor('before')],
    outputs: [tensor('total'), tensor('after')],
    preprocess: [{ features: Features.parse([{ name: 'a' }, { name: 'b' }]) }],
    postprocess: [],
    recurrent: [Recurrent.parse({ ...feedback, settle })],
    batching: { maxBatch: 8, maxDelayMs: 5 },
  });
  slot = await serve(workshop, { ...order, workers });
}

/** One stream, frame after frame, each of the same value. */
async function follow(stream: string, value: number, frames: number): Promise<Prediction[]> {
  const predictions: Prediction[] = [];
  let state: Uint8Array | undefined;
  for (let i = 0; i < frames; i++) {
    const head = { payload: { kind: 'features' as const }, stream, capturedAt: '2026-03-01T10:00:00.000Z' };
    const frame = encodeFrame({ head, payload: Buffer.from(JSON.stringify({ a: value, b: -value })), state });
    const response = await slot.post('/v1/slots/inspection/frames', new Uint8Array(frame), frameType);
    expect(response.status).toBe(200);
    const answer = decodeAnswer(new Uint8Array(await response.arrayBuffer()), Prediction);
    predictions.push(...answer.predictions);
    ({ state } = answer);
  }
  return predictions;
}

test.each([1, 2])('streams side by side keep to themselves, with %i workers and batches', async (workers) => {
  await serveSum(workers);
  const streams = await Promise.all([1, 2, 3, 4, 5, 6].map((value) => follow(`camera-${value}`, value, 12)));
  streams.forEach((predictions, i) => {
    const totals = predictions.map(({ outputs }) => outputs!['total']!.data);
    expect(totals).toEqual(predictions.map((_, frame) => [10 + (i + 1) * (frame + 1), 10 - (i + 1) * (frame + 1)]));
    expect(predictions.every(({ outputs }) => Object.keys(outputs!).join() === 'total')).toBe(true);
  });
});

test('as many results as the release says are uncertain', async () => {
  await serveSum(1, 3);
  const predictions = await follow('camera', 1, 5);
  expect(predictions.map(({ uncertain }) => uncertain !== undefined)).toEqual([true, true, true, false, false]);
});
