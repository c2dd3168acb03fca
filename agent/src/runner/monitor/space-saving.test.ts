import { classError } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SpaceSaving } from './space-saving.js';

const counted = (labels: readonly string[], most?: number) => {
  const counts = new SpaceSaving(most);
  for (const label of labels) counts.add(label);
  return counts.toCounts();
};
const label = fc.nat(60).map((n) => `class ${n}`);

test('no class has less than it says, or more than the error that is stated, and none is lost', () => {
  fc.assert(
    fc.property(fc.array(label, { maxLength: 400 }), fc.integer({ min: 33, max: 60 }), (labels, counters) => {
      const counts = counted(labels, counters);
      expect(Object.values(counts.classes).reduce((sum, count) => sum + count, counts.otherClasses)).toBe(labels.length);
      for (const each of new Set(labels)) {
        const missing = labels.filter((one) => one === each).length - (counts.classes[each] ?? 0);
        expect(missing).toBeGreaterThanOrEqual(0);
        expect(missing).toBeLessThanOrEqual(classError(counts));
      }
    }),
  );
});

test('however many labels come, the frequent one is found among them', () => {
  const labels = Array.from({ length: 30_000 }, (_, i) => (i % 3 === 0 ? 'often' : `rare ${i}`));
  const counts = counted(labels);
  expect(Object.keys(counts.classes)[0]).toBe('often');
  expect(counts.classes['often']).toBeGreaterThan(10_000 - classError(counts));
  expect(classError(counts)).toBeLessThan(900);
});

test('the same labels in the same order are the same counts', () => {
  const labels = Array.from({ length: 2000 }, (_, i) => `c${(i * 7919) % 701}`);
  expect(JSON.stringify(counted(labels))).toBe(JSON.stringify(counted(labels)));
});
