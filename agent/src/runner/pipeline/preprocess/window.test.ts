import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cut, type Windowing, beginning, windowed } from './window.js';

const rate = 1000;
const ramp = (length: number, from = 1) => Float32Array.from({ length }, (_, i) => from + i);

/** A signal of two channels (1, 2, 3 … and its negative) in chunks of these lengths. */
function cutInto(lengths: readonly number[], options: Windowing): Cut[] {
  let tail = beginning(2, options);
  let at = 0;
  return lengths.flatMap((length) => {
    const plane = ramp(length, at + 1);
    const done = windowed({ planes: [plane, plane.map((value) => -value)], rate }, options, tail, at);
    tail = done.tail;
    at += length;
    return done.windows;
  });
}

const windowing = fc
  .record({
    samples: fc.integer({ min: 1, max: 20 }),
    hop: fc.integer({ min: 1, max: 20 }),
    context: fc.integer({ min: 0, max: 10 }),
  })
  .filter(({ samples, hop }) => hop <= samples);

test('windows are the same however the signal is cut, with the samples before them, at the time of their first', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 12 }), windowing, (lengths, options) => {
      const total = lengths.reduce((sum, length) => sum + length, 0);
      const { samples, hop, context } = options;
      const count = Math.max(0, Math.floor((total - samples) / hop) + 1);
      const expected = Array.from({ length: count }, (_, i) => {
        const plane = ramp(context + samples, i * hop - context + 1).map((value) => Math.max(0, value));
        return { at: i * hop, planes: [plane, plane.map((value) => (value === 0 ? 0 : -value))], isWhole: i * hop >= context };
      });
      expect(cutInto(lengths, options)).toEqual(expected);
    }),
  );
});

test('more windows than anyone waits for are refused', () =>
  expect(() => cutInto([3000], { samples: 1, hop: 1 })).toThrow('it holds 3000 windows; 2000 are the most'));
