import { afterEach, expect, test } from 'vitest';
import { decodeAnswer, encodeFrame, frameType } from '../../../frame.js';
import { Prediction } from '../../../prediction.js';
import { Workshop } from '../../fixtures/orders.js';
import { serve, windows } from '../../fixtures/served.js';
import { GradedPrediction } from '../../slot-api/slot-schemas.js';
import { colouredHalves, halvesPicture, halvesRelease } from './fixtures/halves.js';

const workshop = new Workshop();
let close: () => Promise<unknown> = () => Promise.resolve();
afterEach(async () => {
  await close();
  await workshop.clear();
});

async function opened(yaml = colouredHalves) {
  const slot = await serve(workshop, await halvesRelease(workshop, yaml), { rehearse: true });
  ({ close } = slot);
  const predicted = async (left: string, right: string) => {
    const response = await slot.post('/v1/slots/inspection/predict', await halvesPicture(left, right), 'image/png');
    return GradedPrediction.parse(await response.json());
  };
  return { ...slot, predicted };
}
const withGraph = (graph: string) => colouredHalves.replace(/graph:\n[^]*(?=variants:)/, `graph:\n${graph}`);

test('each box carries what the next network found in it', async () => {
  const { predicted } = await opened();
  const { boxes, top, outputs } = await predicted('#f00', '#00f');
  expect(boxes!.map(({ label, box, top: named }) => [label, box, named![0]!.label])).toEqual([
    ['half', { left: 0, top: 0, width: 16, height: 16 }, 'red'],
    ['half', { left: 16, top: 0, width: 16, height: 16 }, 'blue'],
  ]);
  expect([top, outputs]).toEqual([[], undefined]);
  expect((await predicted('#000', '#0f0')).boxes!.map(({ box, top: named }) => [box.left, named![0]!.label])).toEqual([
    [16, 'green'],
  ]);
  expect((await predicted('#000', '#000')).boxes).toEqual([]);
});

test('only some boxes go on, and the others stay as they are', async () => {
  const { predicted } = await opened(
    withGraph(`
  halves: { run: find, on: picture }
  best: { cut: halves, most: 1 }
  colour: { run: name, on: best }
  red: { only: best, by: colour, labels: [red] }
  again: { run: name, on: red, apart: true }
`),
  );
  const { boxes } = await predicted('#800000', '#f00');
  expect(boxes!.map(({ top, named }) => [top?.[0]?.label, named?.['again']?.top?.[0]?.label])).toEqual([
    ['red', 'red'],
    [undefined, undefined],
  ]);
  const blue = await predicted('#000', '#00f');
  expect(blue.boxes!.map(({ top, named }) => [top?.[0]?.label, named])).toEqual([['blue', undefined]]);
});

test('what is found in a turned part lies where it is in the whole picture', async () => {
  const { predicted } = await opened(
    withGraph(`
  halves: { run: find, on: picture }
  parts: { cut: halves }
  colour: { run: name, on: parts }
  over: { turn: parts, by: colour, label: red }
  inner: { run: find, on: over }
`),
  );
  const { boxes } = await predicted('#f00', '#00f');
  const inner = boxes!.map((half) => half.boxes!.map(({ box }) => box.left));
  // The first half of the red one is its right one: it was turned over.
  expect(inner).toEqual([
    [8, 0],
    [16, 24],
  ]);
});

test('counts under its boxes, and tells what each network took', async () => {
  const { predicted, base, serving, sent } = await opened();
  await predicted('#f00', '#00f');
  await predicted('#000', '#000');
  const metrics = await (await fetch(`${base}/metrics`)).text();
  const count = (network: string) =>
    Number(new RegExp(`flotilla_network_compute_seconds_count\\{.*network="${network}"\\} (\\d+)`).exec(metrics)?.[1]);
  expect(count('find')).toBeGreaterThanOrEqual(2);
  expect(count('name')).toBeGreaterThanOrEqual(2);
  expect(metrics.match(/# HELP flotilla_pipeline_step_seconds/g)).toHaveLength(1);
  expect(metrics).toContain('network="name",step="top-k"');
  await serving.drain(1000);
  const classes = new Set(windows(sent).flatMap((window) => Object.keys(window.classes)));
  expect(classes).toEqual(new Set(['half', '(none)']));
});

test('speaks the Open Inference Protocol as one model: a picture in, findings out', async () => {
  const { base, post } = await opened();
  const metadata = (await (await fetch(`${base}/v2/models/inspection`)).json()) as object;
  expect(metadata).toMatchObject({
    inputs: [{ name: 'picture', datatype: 'UINT8', shape: [-1, -1, 3] }],
    outputs: [{ name: 'findings', datatype: 'BYTES', shape: [1] }],
  });
  const data = Array.from({ length: 2 * 4 * 3 }, (_, i) => (i % 12 < 6 ? (i % 3 === 1 ? 255 : 0) : i % 3 === 2 ? 255 : 0));
  const inputs = [{ name: 'picture', datatype: 'UINT8', shape: [2, 4, 3], data }];
  const answer = (await (await post('/v2/models/inspection/infer', JSON.stringify({ inputs }))).json()) as {
    outputs: { data: string[] }[];
  };
  const { boxes } = GradedPrediction.pick({ boxes: true }).parse(JSON.parse(answer.outputs[0]!.data[0]!));
  expect(boxes!.map(({ top }) => top![0]!.label)).toEqual(['green', 'blue']);
});

test('goes by what all networks found, over time', async () => {
  const there = `postprocess:
  - hysteresis: { score: { label: half }, on: 0.5, off: 0.2, label: there, otherwise: gone, onSwap: carry }
  - debounce: { frames: 2, onSwap: carry }
variants:`;
  const slot = await serve(workshop, await halvesRelease(workshop, colouredHalves.replace('variants:', there)));
  ({ close } = slot);
  let state: Uint8Array | undefined;
  const decided: (string | undefined)[] = [];
  for (const colour of ['#f00', '#f00', '#000', '#000', '#00f']) {
    const head = { payload: { kind: 'encoded' as const }, stream: 'camera', capturedAt: '2026-03-01T10:00:00.000Z' };
    const frame = encodeFrame({ head, payload: await halvesPicture(colour, colour), state });
    const response = await slot.post('/v1/slots/inspection/frames', new Uint8Array(frame), frameType);
    const answer = decodeAnswer(new Uint8Array(await response.arrayBuffer()), Prediction);
    decided.push(answer.predictions[0]!.decision?.label);
    ({ state } = answer);
  }
  expect(decided).toEqual([undefined, 'there', 'there', 'gone', 'gone']);
});
