import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecast, gapNote, planSwap } from './swap-plan.js';

const MB = 1e6;
const roomy = { available: 4000 * MB, budget: 2000 * MB };

describe('a forecast', () => {
  it.each([
    ['what was measured here', { peak: 180 * MB, declared: 900 * MB, weights: 5 * MB, workers: 1 }, 180],
    ['what the manifest says, and each worker’s weights', { declared: 200 * MB, weights: 40 * MB, workers: 2 }, 280],
    ['a bare runner and its weights, where nothing is known', { weights: 40 * MB, workers: 1 }, 200],
  ])('is %s', (_name, need, expected) => {
    expect(forecast(need) / MB).toBe(expected);
  });
});

describe('a swap', () => {
  it('is parallel where both fit, and where there is no incumbent', () => {
    expect(planSwap('auto', 150 * MB, 200 * MB, roomy)).toEqual({ sequential: false });
    expect(planSwap('auto', undefined, 200 * MB, { available: 0, budget: 0 })).toEqual({ sequential: false });
    expect(planSwap('sequential', undefined, 200 * MB, roomy)).toEqual({ sequential: false });
  });

  it('is sequential where the candidate does not fit, and says by how much', () => {
    expect(planSwap('auto', 150 * MB, 248 * MB, { ...roomy, available: 250 * MB })).toEqual({
      sequential: true,
      why: 'sequential swap: 310 MB needed, 250 MB free',
    });
    expect(planSwap('auto', 152 * MB, 248 * MB, { ...roomy, budget: 400 * MB }).why).toBe(
      'sequential swap: 500 MB needed, 400 MB in the budget of the slot',
    );
  });

  it('is what the operator forces, whatever the forecast', () => {
    expect(planSwap('parallel', 150 * MB, 200 * MB, { available: 0, budget: 0 })).toEqual({ sequential: false });
    expect(planSwap('sequential', 150 * MB, 200 * MB, roomy)).toEqual({
      sequential: true,
      why: 'sequential swap: it is configured',
    });
  });

  it('never becomes parallel by less room', () => {
    const bytes = fc.nat({ max: 2 ** 31 });
    fc.assert(
      fc.property(bytes, bytes, bytes, bytes, fc.nat({ max: 2 ** 30 }), (incumbent, candidate, available, budget, less) => {
        const before = planSwap('auto', incumbent, candidate, { available, budget });
        const after = planSwap('auto', incumbent, candidate, { available: available - less, budget });
        expect(after.sequential || !before.sequential).toBe(true);
      }),
    );
  });

  it('tells its gap', () => {
    expect(gapNote(1840)).toBe('sequential swap: nothing served for 1.8 s');
  });
});
