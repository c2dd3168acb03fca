import { type FamilyName, mostSeries, type Reading } from './families.js';

/** The first `mostSeries` readings of each family, and how many were left out: what a fleet has many of must not flood a Prometheus. */
export function folded(all: Iterable<readonly [FamilyName, readonly Reading[]]>): Map<FamilyName, readonly Reading[]> {
  const kept = new Map<FamilyName, readonly Reading[]>();
  const left: Reading[] = [];
  for (const [family, readings] of all) {
    kept.set(family, readings.slice(0, mostSeries));
    if (readings.length > mostSeries) left.push({ labels: { family }, value: readings.length - mostSeries });
  }
  return kept.set('flotilla_folded', left);
}
