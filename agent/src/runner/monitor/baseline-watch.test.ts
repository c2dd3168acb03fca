import { Baseline, type Datatype } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import { emptyData, elementsOf, type Tensor } from '../tensor.js';
import { BaselineWatch } from './baseline-watch.js';
import { measure, valueAt } from './input-statistics.js';
import { WindowAccumulator } from './window.js';

const timing = { cpuUs: 900, queueUs: 20, computeUs: 1000, totalUs: 1500 };
const floats = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor => ({
  name: 'x',
  type: 'FP32',
  shape,
  data: Float32Array.from(values),
});
const baseline = (inputs: object[], others: object = {}) => Baseline.parse({ v: 1, inferences: 1, inputs, ...others });
const rows = { inputs: [{ name: 'x', type: 'FP32' as const, shape: [-1, 2] }] };
const histogram = (statistic: string, edges: number[], others: object = {}) => ({
  input: 'x',
  statistic,
  edges,
  counts: [...edges, 0].map(() => 0),
  ...others,
});

test('measures what numpy does', () => {
  const { mean, deviation, detail, extreme, missing } = measure(floats([1, 2, 4, 4, NaN, 1]), 6);
  expect(mean).toBeCloseTo(2.4, 12);
  expect(deviation).toBeCloseTo(1.3564659966250536, 12);
  // 1→2, 2→4, 4→4; NaN has no neighbour and is none.
  expect(detail).toBe(1);
  expect(extreme).toBe(4 / 5);
  expect(missing).toBeCloseTo(1 / 6, 12);
});

test('a picture out of focus has less detail, in channels first and last', () => {
  const sharp = (x: number) => (x % 2 === 0 ? 0 : 1);
  const last = (of: (x: number) => number) =>
    floats(
      Array.from({ length: 64 * 64 * 3 }, (_, i) => of(Math.floor(i / 3) % 64)),
      [1, 64, 64, 3],
    );
  const first = (of: (x: number) => number) =>
    floats(
      Array.from({ length: 64 * 64 * 3 }, (_, i) => of(i % 64)),
      [1, 3, 64, 64],
    );
  for (const picture of [last, first]) {
    expect(measure(picture(sharp), 64 * 64 * 3).detail).toBeGreaterThan(0.95);
    expect(
      measure(
        picture(() => 0.5),
        64 * 64 * 3,
      ),
    ).toMatchObject({ detail: 0, deviation: 0, extreme: 1, mean: 0.5 });
  }
});

test.each<[Datatype, number]>([
  ['FP16', 0.5],
  ['INT64', -7],
  ['UINT8', 200],
  ['BOOL', 1],
])('reads %s', (type, value) => {
  const tensor: Tensor = { name: 'x', type, shape: [1], data: emptyData(type, elementsOf([1])) };
  if (type === 'FP16') (tensor.data as Uint16Array)[0] = 0x3800;
  else (tensor.data as unknown[])[0] = type === 'INT64' ? BigInt(value) : value;
  expect(valueAt(tensor, 0)).toBe(value);
  expect(measure(tensor, 1).mean).toBe(value);
});

test('a window has counts in the bins of the baseline, and begins anew after a cut', () => {
  const inputs = [histogram('value', [0, 10], { at: 1 }), histogram('mean', [3])];
  const window = new WindowAccumulator(new BaselineWatch(baseline(inputs, { score: { edges: [0.5], counts: [0, 0] } }), rows));
  const watch = new BaselineWatch(baseline(inputs, { score: { edges: [0.5], counts: [0, 0] } }), rows);
  const counted = new WindowAccumulator(watch);
  // Of a batch, the first row.
  counted.succeeded(timing, { label: 'a', score: 0.5 }, watch.look([floats([1, -1, 99, 99], [2, 2])]));
  counted.succeeded(timing, { label: 'a', score: 0.1 }, watch.look([floats([1, 10], [1, 2])]));
  counted.succeeded(timing, undefined, watch.look([floats([1, NaN], [1, 2])]));
  expect(counted.cut(0).baseline).toEqual({
    inputs: [
      [1, 0, 1],
      [2, 1],
    ],
    score: [1, 1],
  });
  expect(counted.cut(0).baseline).toEqual(window.cut(0).baseline);
});

test('an input that is missing, or text, is in no bin', () => {
  const watch = new BaselineWatch(baseline([histogram('mean', [0]), histogram('value', [0], { at: 0 })]), rows);
  expect(watch.look([])).toEqual([-1, -1]);
  expect(watch.look([{ name: 'x', type: 'BYTES', shape: [1], data: ['a'] }])).toEqual([-1, -1]);
});

test('of many inferences it measures evenly fewer, and the next window knows how many to expect', () => {
  const watch = new BaselineWatch(baseline([histogram('mean', [0])]), rows, 10);
  const measured = (inferences: number) => {
    for (let i = 0; i < inferences; i++) watch.count(watch.look([floats([1, 1])]), undefined);
    return watch.cut().inputs[0]![1]!;
  };
  expect(measured(10)).toBe(10);
  expect(measured(1000)).toBeLessThan(80);
  expect(measured(1000)).toBe(10);
  expect(measured(5)).toBe(1);
  expect(measured(5)).toBe(5);
});
