import { RolloutPlan, type PlanStage } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sizeOf } from './cohort.js';

const stage = (written: object): PlanStage => RolloutPlan.shape.stages.element.parse(written);
/** Of a fleet, as stages take from it one after another. */
const sizes = (total: number, stages: readonly PlanStage[]) =>
  stages.reduce<number[]>((taken, each) => {
    const placed = taken.reduce((a, b) => a + b, 0);
    return [...taken, Math.min(total - placed, sizeOf(each, total, placed) ?? 0)];
  }, []);

describe('stages', () => {
  const first = stage({ name: 'a', count: 1 });
  const rest = stage({ name: 'rest', percent: 100 });
  it('take so many, then the rest', () => expect(sizes(6, [first, stage({ name: 'b', count: 2 }), rest])).toEqual([1, 2, 3]));
  it('read percent as cumulative and round up', () =>
    expect(sizes(6, [stage({ name: 'a', percent: 1 }), stage({ name: 'b', percent: 50 }), rest])).toEqual([1, 2, 3]));
  it('take none by percent where those before have taken more', () =>
    expect(sizes(6, [stage({ name: 'a', count: 4 }), stage({ name: 'b', percent: 50 })])).toEqual([4, 0]));
  it('grow by a factor over those before', () =>
    expect(
      sizes(20, [stage({ name: 'a', growth: 3 }), stage({ name: 'b', growth: 3 }), stage({ name: 'c', growth: 1.5 }), rest]),
    ).toEqual([1, 3, 6, 10]));
  it('take whom a selector names, however many', () =>
    expect(sizeOf(stage({ name: 'canary', devices: 'site=lyon' }), 6, 0)).toBeUndefined());
  it('place every device once when the last stage takes all', () =>
    fc.assert(
      fc.property(fc.nat({ max: 50 }), (n) => {
        const placed = sizes(n, [first, stage({ name: 'b', percent: 30 }), rest]);
        expect(placed.reduce((a, b) => a + b, 0)).toBe(n);
      }),
    ));
});
