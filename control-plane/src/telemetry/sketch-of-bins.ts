import { type Sketch, sketchLayout } from '@flotilla/protocol';

/** As the database gives them: in any order, the empty ones left out. */
export function sketchOfBins(bins: readonly { bin: number; count: number }[]): Sketch {
  const counts = Array.from({ length: sketchLayout.bins }, () => 0);
  for (const { bin, count } of bins) counts[bin] = count;
  return { first: 0, counts };
}
