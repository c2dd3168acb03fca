import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnSums } from './column-sums.js';

test('four bytes at a time are summed as one by one', () => {
  const byte = fc.constantFrom(0, 1, 127, 254, 255);
  const shape = fc.record({ stride: fc.integer({ min: 1, max: 24 }), rows: fc.integer({ min: 1, max: 6 }), from: fc.nat(9) });
  fc.assert(
    fc.property(shape, fc.array(byte, { minLength: 160, maxLength: 160 }), ({ stride, rows, from }, bytes) => {
      const data = Uint8Array.from(bytes);
      const sums = new Int32Array(stride);
      columnSums(data, from, stride, rows, sums);
      const expected = Array.from(sums, (_, i) =>
        Array.from({ length: rows }, (__, row) => data[from + row * stride + i]!).reduce((a, b) => a + b, 0),
      );
      expect([...sums]).toEqual(expected);
    }),
  );
});

test.each([257, 258])('%d rows of the brightest pixels do not run over', (rows) => {
  const sums = new Int32Array(8);
  columnSums(new Uint8Array(rows * 8).fill(255), 0, 8, rows, sums);
  expect([...sums]).toEqual(Array.from(sums, () => rows * 255));
});
