import { classError } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Contents, ContentSum, mostClassesKept } from './content-sum.js';

const ofClasses = (classes: Record<string, number>, otherClasses = 0): Contents => ({
  classes,
  otherClasses,
  scores: Array.from({ length: 10 }, () => 1),
  baseline: { inputs: [[1, 2], [3]], score: [4] },
});
function sumOf(all: readonly Contents[]): ContentSum {
  const sum = new ContentSum();
  for (const each of all) sum.add(each);
  return sum;
}
/** As the rollups keep it: what it says, without what it knows. */
const said = ({ classes, otherClasses, scores, baseline }: ContentSum): Contents => ({ classes, otherClasses, scores, baseline });
const total = ({ classes, otherClasses }: Contents) => Object.values(classes).reduce((sum, count) => sum + count, otherClasses);

describe('what windows counted', () => {
  it('is the same in whatever order it is added, and of hours as of windows', () => {
    const window = fc
      .record({ names: fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { maxLength: 8 }), others: fc.nat(50), count: fc.nat(9) })
      .map(({ names, others, count }) => ofClasses(Object.fromEntries(names.map((n) => [`class ${n}`, 1 + count])), others));
    fc.assert(
      fc.property(fc.array(window, { maxLength: 30 }), fc.nat(30), (windows, cut) => {
        const whole = said(sumOf(windows));
        const parts = [windows.slice(cut), windows.slice(0, cut)].map((each) => said(sumOf(each)));
        expect(said(sumOf(parts))).toEqual(windows.length === 0 ? { ...whole, baseline: null } : whole);
      }),
    );
  });

  it('lacks no more of a class than it says, of however many there are', () => {
    const perWindow = 30;
    const windows = Array.from({ length: 3000 }, (_, w) =>
      ofClasses(
        Object.fromEntries(Array.from({ length: perWindow }, (_u, i) => [`class ${(w * 31 + i * i * 7) % 1500}`, 1 + (i % 3)])),
      ),
    );
    const truth = new Map<string, number>();
    for (const { classes } of windows)
      for (const [name, count] of Object.entries(classes)) truth.set(name, (truth.get(name) ?? 0) + count);
    const hours = [0, 1, 2].map((part) => said(sumOf(windows.slice(part * 1000, part * 1000 + 1000))));
    const day = said(sumOf(hours));
    expect(Object.keys(day.classes).length).toBeLessThanOrEqual(mostClassesKept);
    expect(total(day)).toBe(windows.reduce((sum, each) => sum + total(each), 0));
    for (const [name, count] of truth) {
      const told = day.classes[name] ?? 0;
      expect(told).toBeLessThanOrEqual(count);
      expect(told + classError(day), name).toBeGreaterThanOrEqual(count);
    }
  });
});
