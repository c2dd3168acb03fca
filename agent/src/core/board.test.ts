import { describe, expect, it } from 'vitest';
import { boardBetween, feelingBetween, type Reading, type Stretch } from './board.js';

const nothing: Reading = { temperatureC: undefined, throttled: undefined, powerW: undefined, gpu: undefined, gpuMHz: undefined };
/** One reading a second, beginning at 100 s. */
const log = (...readings: Partial<Reading>[]): Stretch[] =>
  readings.map((reading, i) => ({ ...nothing, ...reading, from: 100 + i, to: 101 + i }));

describe('what a board went through', () => {
  const stretches = log(
    { temperatureC: 60, throttled: false, powerW: 5, gpu: 0, gpuMHz: 300 },
    { temperatureC: 81, throttled: true, powerW: 10, gpu: 1, gpuMHz: 600 },
    { temperatureC: 70, throttled: false, powerW: 6, gpu: 0.5, gpuMHz: 300 },
  );

  it('is its hottest, how long it was held back, and what it drew', () => {
    expect(boardBetween(stretches, 100, 103)).toEqual({ temperatureMaxC: 81, throttledMs: 1000, energyJ: 21 });
    expect(boardBetween(stretches, 100, 101)).toEqual({ temperatureMaxC: 60, throttledMs: 0, energyJ: 5 });
  });
  it('counts a reading for as long as it lies in the window', () =>
    expect(boardBetween(stretches, 101.5, 102.5)).toEqual({ temperatureMaxC: 81, throttledMs: 500, energyJ: 8 }));
  it('takes what no reading covers to be like the rest', () =>
    expect(boardBetween(stretches, 102, 104)).toEqual({ temperatureMaxC: 70, throttledMs: 0, energyJ: 12 }));
  it('adds up over windows that lie end to end', () => {
    const parts = [100, 101.25, 102.5].map((from, i) => boardBetween(stretches, from, [101.25, 102.5, 103][i]!));
    expect(parts.reduce((sum, { energyJ }) => sum + energyJ!, 0)).toBeCloseTo(21, 3);
    expect(parts.reduce((sum, { throttledMs }) => sum + throttledMs!, 0)).toBe(1000);
  });
  it('is unknown where no sensor told, and where nothing was read', () => {
    expect(boardBetween(log({}, {}), 100, 102)).toEqual({});
    expect(boardBetween(log({}, { powerW: 4 }), 100, 102)).toEqual({ energyJ: 8 });
    expect(boardBetween(stretches, 200, 210)).toEqual({});
  });
  it('is told in vitals as means and the worst', () => {
    expect(feelingBetween(stretches, 100, 103)).toEqual({
      temperatureC: 81,
      throttled: true,
      powerW: 7,
      gpu: 0.5,
      gpuMHz: 400,
    });
    expect(feelingBetween(stretches, 102, 103)).toMatchObject({ throttled: false });
    expect(feelingBetween([], 100, 103)).toEqual({});
  });
});
