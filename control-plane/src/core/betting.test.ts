import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addCapitals, breachGain, logCapital, noCapital, passGain, type Capitals } from './betting.js';

const after = (gains: Capitals[]) => Math.exp(logCapital(gains.reduce(addCapitals, noCapital)));
const times = (n: number, gain: Capitals) => Array<Capitals>(n).fill(gain);

describe('capital', () => {
  it('is 1 before anything was seen', () => expect(after([])).toBe(1));
  it('against a release doubles and more with each window over the limit', () => {
    expect(after(times(2, breachGain(1, 0.05)))).toBeCloseTo(74.33, 2);
    expect(after(times(3, breachGain(1, 0.05)))).toBeGreaterThan(600);
  });
  it('for a release needs ten faultless windows where 0.3 is unacceptable and one stage in five may err', () => {
    expect(after(times(9, passGain(0, 0.3)))).toBeLessThan(5);
    expect(after(times(10, passGain(0, 0.3)))).toBeGreaterThan(5);
  });
  it('is lost on the other side', () => {
    expect(after(times(50, breachGain(0, 0.05)))).toBeLessThan(0.05);
    expect(after(times(50, passGain(1, 0.3)))).toBeLessThan(0.05);
  });
  it('may grow past what a number can hold', () => {
    const grown = logCapital(times(1000, breachGain(1, 0.05)).reduce(addCapitals, noCapital));
    expect(grown).toBeGreaterThan(2000);
    expect(grown).toBeLessThan(Infinity);
  });

  const fraction = fc.double({ min: 0, max: 1, noNaN: true });
  it('does not depend on the order of windows', () =>
    fc.assert(
      fc.property(fc.array(fraction, { minLength: 2, maxLength: 50 }), fc.nat(), (xs, turn) => {
        const other = [...xs.slice(turn % xs.length), ...xs.slice(0, turn % xs.length)].toReversed();
        const capital = (seen: number[]) => logCapital(seen.map((x) => breachGain(x, 0.05)).reduce(addCapitals, noCapital));
        expect(capital(other)).toBeCloseTo(capital(xs), 6);
      }),
    ));
  it('is expected to stay what it is while the mean is what is acceptable', () =>
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 0.9, noNaN: true }), (mean) => {
        // x is 1 with probability `mean`, else 0: no size of bet wins or loses on average.
        const win = breachGain(1, mean).map(Math.exp);
        const lose = breachGain(0, mean).map(Math.exp);
        win.forEach((factor, i) => expect(mean * factor + (1 - mean) * lose[i]!).toBeCloseTo(1, 9));
      }),
    ));
});
