import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith } from '../../support/required.js';
import { difference } from './compare.js';
import { readPassing } from './passing.js';
import { debianVectors, listVectors, runVectors } from './vectors.js';

describeWith('onnx-testdata', "the shipped runtime computes ONNX's operators", () => {
  test('every one of the tests that it passed when they were listed', async () => {
    const passing = await readPassing();
    expect(passing.length).toBeGreaterThan(900);
    expect(await listVectors(debianVectors)).toEqual(expect.arrayContaining(passing));
    const results = await runVectors(debianVectors, passing);
    expect(results.filter(({ result }) => result !== 'passed')).toEqual([]);
  });

  test('and a wrong answer would be seen', async () => {
    const data = await mkdtemp(join(tmpdir(), 'flotilla-onnx-'));
    await cp(join(debianVectors, 'node/test_neg'), join(data, 'node/test_neg'), { recursive: true });
    const set = join(data, 'node/test_neg/test_data_set_0');
    await cp(join(set, 'input_0.pb'), join(set, 'output_0.pb'));
    expect(await runVectors(data, ['node/test_neg'])).toMatchObject([
      { result: 'other-values', why: expect.stringContaining('element 0') },
    ]);
    await rm(data, { recursive: true });
  });
});

const tensor = (values: number[], shape = [values.length]) => ({
  name: 'y',
  type: 'FP32' as const,
  shape,
  data: new Float32Array(values),
});

test.each([
  ['equal values', [1, NaN, Infinity, -0], [1, NaN, Infinity, 0], true],
  ['a difference within 1e-3 of the value', [1000.9], [1000], true],
  ['a larger one', [1001.2], [1000], false],
  ['a number for NaN', [0], [NaN], false],
  ['infinities of other signs', [-Infinity], [Infinity], false],
])('%s', (_, actual, expected, agree) => {
  expect(difference(tensor(actual), tensor(expected)) === undefined).toBe(agree);
});

test('another shape or type is a difference', () => {
  expect(difference(tensor([1, 2]), tensor([1, 2], [1, 2]))).toBe('y FP32 [2], expected y FP32 [1,2]');
  expect(difference({ ...tensor([1]), type: 'FP64', data: new Float64Array([1]) }, tensor([1]))).toContain('expected y FP32');
});
