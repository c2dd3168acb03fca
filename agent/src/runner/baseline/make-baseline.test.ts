import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { OrtEngine } from '../engine/ort-engine.js';
import { postFrame } from '../fixtures/frames.js';
import { Workshop } from '../fixtures/orders.js';
import { picture, serve, windows } from '../fixtures/served.js';
import type { LoadOrder } from '../loading.js';
import { makeBaseline } from './make-baseline.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());

async function made(order: LoadOrder, examples: string) {
  const engine = new OrtEngine();
  try {
    return await makeBaseline({ ...order, examples }, engine, () => {});
  } finally {
    await engine.close();
  }
}

const greys = Array.from({ length: 10 }, (_, i) => `rgb(${100 + i}, ${100 + i}, ${100 + i})`);
const baselineFile = 'baseline.json';

test('a slot that sees the examples again counts what the baseline counted, and strangers at the ends', async () => {
  const pictures = await Promise.all(greys.map(picture));
  const folder = await workshop.folder(Object.fromEntries(pictures.map((bytes, i) => [`below/${i}.png`, bytes])));
  await writeFile(join(folder, 'broken.png'), 'no picture');
  await writeFile(join(folder, 'read.me'), 'of no kind that is read');
  const order = await workshop.smallRelease('colour');
  const { baseline, refused, firstRefusal } = await made(order, folder);
  expect(baseline).toMatchObject({ inferences: 10, otherClasses: 0 });
  expect(baseline!.inputs.map(({ statistic }) => statistic)).toEqual(['mean', 'deviation', 'detail', 'extreme', 'missing']);
  expect([refused, firstRefusal]).toEqual([1, expect.stringContaining("broken.png: the picture can't be read")]);

  await writeFile(join(order.folder, baselineFile), JSON.stringify(baseline));
  const slot = await serve(workshop, { ...order, manifest: { ...order.manifest, baseline: baselineFile } }, { windowS: 1000 });
  for (const bytes of pictures) await postFrame(slot.base, bytes);
  await slot.close();
  const counted = windows(slot.sent).at(-1)!;
  expect(counted.baseline).toEqual({ inputs: baseline!.inputs.map(({ counts }) => counts), score: baseline!.score!.counts });
  expect(counted.classes).toEqual(baseline!.classes);

  const dark = await serve(workshop, { ...order, manifest: { ...order.manifest, baseline: baselineFile } }, { windowS: 1000 });
  await postFrame(dark.base, await picture('black'));
  await dark.close();
  expect(windows(dark.sent).at(-1)!.baseline!.inputs[0]).toEqual(baseline!.inputs[0]!.counts.map((_, i) => Number(i === 0)));
});

test('tensors are JSON, a row a line, and each value of a short row is looked at', async () => {
  const rows = Array.from({ length: 5 }, (_, i) => JSON.stringify({ inputs: { features: [[i, 2 * i, 0, 1, 2]] } }));
  const folder = await workshop.folder({ 'rows.jsonl': `${rows.join('\n')}\n` });
  const inputs = [{ name: 'features', type: 'FP32' as const, shape: [1, 5] }];
  const outputs = ['life', 'distance'].map((name) => ({ name, type: 'FP32' as const, shape: [1, 1] }));
  const order = await workshop.smallRelease('pump', { inputs, outputs, preprocess: [], postprocess: [] });
  const { baseline, ...others } = await made(order, join(folder, 'rows.jsonl'));
  expect(others).toEqual({ refused: 0 });
  expect(baseline!.inputs.map(({ statistic, at }) => [statistic, at])).toEqual([
    ...[0, 1, 2, 3, 4].map((at) => ['value', at]),
    ['missing', undefined],
  ]);
});

test('nothing to be used is no baseline', async () => {
  const order = await workshop.smallRelease('colour');
  expect(await made(order, await workshop.folder({ 'a.txt': 'x' }))).toEqual({ refused: 0 });
});

test.each([
  ['is no JSON', '{', 'it is no JSON'],
  [
    'is of an input that is not there',
    '{"v":1,"inferences":1,"inputs":[{"input":"x","statistic":"mean","edges":[0],"counts":[0,1]}]}',
    '"x" is no input',
  ],
])('a release whose baseline %s is at fault', async (_what, text, why) => {
  const order = await workshop.smallRelease('colour', { baseline: baselineFile }, { [baselineFile]: text });
  await expect(made(order, order.folder)).rejects.toMatchObject({ failure: 'load', message: expect.stringContaining(why) });
});
