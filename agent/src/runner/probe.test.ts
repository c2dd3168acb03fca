import { describe, expect, test } from 'vitest';
import { areGuessed, areVaried, probe, probesOf } from './probe.js';
import { numbersOf } from './tensor.js';

const input = { name: 'x', type: 'FP32' as const, shape: [-1, 3, -1] };

describe('a made-up input', () => {
  test('has 1 for a free dimension, and rows for the first where they are told', () => {
    expect(probe(input, 0).shape).toEqual([1, 3, 1]);
    expect(probe(input, 0, 4).shape).toEqual([4, 3, 1]);
  });

  test('has the shape of its example, whose rows give way to those that are told', () => {
    const likely = { ...input, example: { shape: [2, 3, 5] } };
    expect(probe(likely, 0).shape).toEqual([2, 3, 5]);
    expect(probe(likely, 0, 4).shape).toEqual([4, 3, 5]);
  });

  test('holds fractions that differ from seed to seed and are the same for each', () => {
    const [one, same, other] = [1, 1, 2].map((seed) => Array.from(numbersOf(probe(input, seed, 2))));
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
    expect(one!.every((value) => value >= 0 && value < 1)).toBe(true);
  });

  test.each(['BOOL', 'UINT8', 'INT8', 'UINT32', 'INT64', 'UINT64', 'FP16', 'FP32', 'FP64'] as const)(
    '%s holds the value of its example',
    (type) => {
      const made = probe({ name: 'x', type, shape: [2], example: { value: 1 } }, 0);
      expect(Array.from(numbersOf(made))).toEqual([1, 1]);
    },
  );

  test('of integers holds zeros where nothing is said', () => {
    expect(Array.from(numbersOf(probe({ name: 'x', type: 'INT64', shape: [2] }, 7)))).toEqual([0, 0]);
  });
});

test('examples are those of the inputs of the same name, in the order of the model', () => {
  const other = { name: 'sr', type: 'INT64' as const, shape: [] };
  const declared = { inputs: [{ ...other, example: { value: 16_000 } }, input] };
  expect(probesOf(declared, [input, other])).toEqual([
    { ...input, example: undefined },
    { ...other, example: { value: 16_000 } },
  ]);
});

test('what is guessed is a free dimension beyond the first that no example tells', () => {
  const batch = { ...input, shape: [-1, 3] };
  expect([[input], [batch], [batch, input]].map(areGuessed)).toEqual([true, false, true]);
  expect(areGuessed([{ ...input, example: { shape: [1, 3, 5] } }])).toBe(false);
  expect(areGuessed([{ ...input, example: { value: 1 } }])).toBe(true);
});

test('what varies is a float whose value no example tells', () => {
  expect(areVaried([{ name: 'n', type: 'INT64', shape: [1] }])).toBe(false);
  expect(areVaried([{ ...input, example: { value: 1 } }])).toBe(false);
  expect(areVaried([{ ...input, example: { shape: [1, 3, 5] } }])).toBe(true);
});
