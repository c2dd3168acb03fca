import { PostprocessStep } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import type { Findings } from '../../prediction.js';
import type { Tensor } from '../tensor.js';
import { headline } from './headline.js';
import { boxesOf } from './postprocess/boxes.js';
import { openPostprocess } from './steps.js';

const labels = ['red', 'green', 'blue'];
const output = (values: readonly number[], shape = [1, values.length], name = 'scores'): Tensor => ({
  name,
  type: 'FP32',
  shape,
  data: Float32Array.from(values),
});

async function found(outputs: readonly Tensor[], ...declared: object[]) {
  const around = { outputs, labels: () => Promise.resolve(labels) };
  const steps = await openPostprocess(
    declared.map((step) => PostprocessStep.parse(step)),
    around,
  );
  return steps.reduce((before, step) => step.run(before), { outputs, view: undefined, findings: {} } as Parameters<
    (typeof steps)[0]['run']
  >[0]);
}

describe('several labels', () => {
  const multi = (thresholds: number | number[]) => ({ 'multi-label': { labels: 'labels.txt', thresholds } });
  test('are those that reach their threshold, best first', async () => {
    const { findings } = await found([output([0, 3, -3])], { sigmoid: {} }, multi(0.5));
    expect(findings.labels).toEqual([
      { label: 'green', index: 1, score: expect.closeTo(0.9526, 4) },
      { label: 'red', index: 0, score: 0.5 },
    ]);
    expect((await found([output([0, 3, -3])], { sigmoid: {} }, multi([0.6, 0.99, 0.04]))).findings.labels).toMatchObject([
      { label: 'blue' },
    ]);
  });
  test('need a threshold each', async () => {
    await expect(found([output([0, 3, -3])], multi([0.5, 0.5]))).rejects.toThrow(
      'multi-label has 2 thresholds for the 3 labels of labels.txt',
    );
  });
  test('are none of a batch, whose outputs are turned all the same', async () => {
    const batch = await found([output([0, 0, 0, 0, 0, 0], [2, 3])], { sigmoid: {} }, multi(0.1));
    expect(batch.findings).toEqual({});
    expect([...(batch.outputs[0]!.data as Float32Array)]).toEqual([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
  });
});

describe('values', () => {
  const outputs = [output([1, 2, 3]), output([10], [1, 1], 'level')];
  test('are read by place and output, in their unit', async () => {
    const values = [
      { name: 'b', index: 1, scale: 10, offset: -5, unit: 'mm' },
      { name: 'level', output: 'level' },
    ];
    expect((await found(outputs, { values })).findings.values).toEqual([
      { name: 'b', value: 15, unit: 'mm' },
      { name: 'level', value: 10 },
    ]);
  });
  test('past the end do not load', async () => {
    await expect(found(outputs, { values: [{ name: 'd', index: 3 }] })).rejects.toThrow(
      'values reads "d" at 3, the output has 3 values',
    );
  });
  test('an anomaly is one number', async () => {
    await expect(found(outputs, { anomaly: { threshold: 1 } })).rejects.toThrow(
      'anomaly reads one number, the output scores has [1,3]',
    );
    expect((await found(outputs, { anomaly: { threshold: 10, output: 'level' } })).findings.anomaly).toEqual({
      score: 10,
      threshold: 10,
      found: true,
    });
  });
});

test('boxes are carried back through the letterbox and end at the edge of the picture', () => {
  const candidates = {
    corners: Float32Array.of(10, 30, 60, 70, -5, 20, 200, 90),
    scores: Float32Array.of(0.9, 0.5),
    classes: Int32Array.of(1, 7),
    count: 2,
    labels,
  };
  // 400 × 200 in 100 × 100: a quarter as large, 25 above and below.
  const view = { scaleX: 0.25, scaleY: 0.25, shiftX: 0, shiftY: 25, width: 400, height: 200 };
  expect(boxesOf(candidates, view)).toEqual([
    { label: 'green', index: 1, score: expect.closeTo(0.9), box: { left: 40, top: 20, width: 200, height: 160 } },
    { label: '7', index: 7, score: 0.5, box: { left: 0, top: 0, width: 400, height: 200 } },
  ]);
  expect(boxesOf(candidates, undefined)[0]!.box).toEqual({ left: 10, top: 30, width: 50, height: 40 });
});

const ranked = { label: 'red', index: 0, score: 0.7 };
const box = { left: 0, top: 0, width: 1, height: 1 };
test.each<[string, Findings, string | undefined]>([
  ['ranked classes', { top: [ranked], values: [{ name: 'a', value: 1 }] }, 'red'],
  [
    'boxes',
    {
      boxes: [
        { ...ranked, box },
        { ...ranked, label: 'blue', box },
      ],
    },
    'red',
  ],
  ['no box', { boxes: [] }, '(none)'],
  ['no label', { labels: [] }, '(none)'],
  ['an anomaly', { anomaly: { score: 9, threshold: 3, found: true } }, 'anomaly'],
  ['no anomaly', { anomaly: { score: 1, threshold: 3, found: false } }, 'normal'],
  ['areas', { areas: [{ label: 'blue', index: 2, pixels: 9, share: 0.9 }] }, 'blue'],
  ['text', { text: { value: 'LOT-42', score: 0.9 } }, '(text)'],
  ['no text', { text: { value: '', score: 0 } }, '(none)'],
  ['values', { values: [{ name: 'a', value: 1 }] }, undefined],
  ['nothing', {}, undefined],
])('telemetry counts %s', (_what, findings, label) => expect(headline(findings)?.label).toBe(label));
