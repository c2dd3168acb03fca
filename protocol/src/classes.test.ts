import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classError, type ClassCounts, cutClasses, mergeClasses, mostClasses } from './classes.js';

const labels = Array.from({ length: 80 }, (_, i) => `class ${i}`);
const counted = (seen: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const label of seen) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
};
const total = ({ classes, otherClasses }: ClassCounts) =>
  Object.values(classes).reduce((sum, count) => sum + count, otherClasses);
/** Windows, most of whose inferences fall into few classes. */
const windows = fc.array(
  fc.array(fc.oneof(fc.constantFrom(...labels.slice(0, 5)), fc.constantFrom(...labels)), { maxLength: 200 }),
  { minLength: 1, maxLength: 8 },
);
/** Merged two by two, in an order that `picks` chooses. */
function mergedSomehow(all: readonly ClassCounts[], picks: readonly number[]): ClassCounts {
  const left = [...all];
  for (let i = 0; left.length > 1; i++) {
    const [one] = left.splice(picks[i % picks.length]! % left.length, 1);
    const at = picks[(i + 1) % picks.length]! % left.length;
    left[at] = mergeClasses([one!, left[at]!]);
  }
  return left[0]!;
}

describe('counts of classes', () => {
  it('are in all the same, and no class is off by more than is said, in whichever order they are merged', () => {
    fc.assert(
      fc.property(windows, fc.array(fc.nat(1000), { minLength: 2, maxLength: 10 }), (seen, picks) => {
        const truth = counted(seen.flat());
        const merged = mergedSomehow(
          seen.map((window) => cutClasses(counted(window))),
          picks,
        );
        expect(total(merged)).toBe(seen.flat().length);
        expect(Object.keys(merged.classes).length).toBeLessThanOrEqual(mostClasses);
        for (const label of labels) {
          const missing = (truth.get(label) ?? 0) - (merged.classes[label] ?? 0);
          expect(missing).toBeGreaterThanOrEqual(0);
          expect(missing).toBeLessThanOrEqual(classError(merged));
        }
      }),
    );
  });

  it('of 32 classes are exact, in whichever order they come', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...labels.slice(0, mostClasses)), { maxLength: 300 }), fc.nat(300), (seen, at) => {
        const parts = [seen.slice(0, at), seen.slice(at)].map((part) => cutClasses(counted(part)));
        const merged = mergeClasses(parts);
        expect(merged).toEqual(mergeClasses(parts.toReversed()));
        expect(merged).toEqual({ classes: Object.fromEntries(counted(seen)), otherClasses: 0 });
      }),
    );
  });

  it('show a class that came late, however many stood before it', () => {
    let merged = cutClasses(counted(labels.slice(0, 40).flatMap((label) => Array<string>(100).fill(label))));
    for (let window = 0; window < 200; window++) merged = mergeClasses([merged, cutClasses(new Map([['late', 50]]))]);
    expect(merged.classes['late']).toBeGreaterThanOrEqual(10_000 - classError(merged));
  });
});
