/** Counts by class, and of all that is in none of them. */
export type ClassCounts = { classes: Record<string, number>; otherClasses: number };

export const mostClasses = 32;

/**
 * Misra and Gries' summary: what the first class too many has is taken off each, and counted among the others. So a class has at least what
 * it says, and at most `otherClasses / 33` more, however often and in whichever order summaries are merged (Agarwal et al., Mergeable
 * Summaries, PODS 2012). Up to 32 classes are counted exactly.
 */
export function mergeClasses(all: Iterable<ClassCounts>): ClassCounts {
  const sums = new Map<string, number>();
  let others = 0;
  for (const { classes, otherClasses } of all) {
    others += otherClasses;
    for (const [label, count] of Object.entries(classes)) sums.set(label, (sums.get(label) ?? 0) + count);
  }
  return cutClasses(sums, others);
}

/** By count, then by name, so that equal summaries are equal in their bytes too. `others`: what was counted under no name. */
export function cutClasses(counts: ReadonlyMap<string, number>, others = 0, most = mostClasses): ClassCounts {
  const ranked = [...counts].toSorted(([m, a], [n, b]) => b - a || (m < n ? -1 : 1));
  const off = ranked[most]?.[1] ?? 0;
  const kept = ranked.slice(0, most).flatMap(([label, count]) => (count > off ? [[label, count - off] as const] : []));
  const all = ranked.reduce((sum, [, count]) => sum + count, others);
  return { classes: Object.fromEntries(kept), otherClasses: kept.reduce((rest, [, count]) => rest - count, all) };
}

/** How much more than it says a class may have. */
export const classError = ({ otherClasses }: Pick<ClassCounts, 'otherClasses'>) => Math.floor(otherClasses / (mostClasses + 1));
