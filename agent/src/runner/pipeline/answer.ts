/** One class of an answer. */
export type Ranked = { label: string; index: number; score: number };

export function softmax(values: ArrayLike<number>): Float64Array {
  const highest = Array.from(values).reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(values, (value) => Math.exp(value - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Index of the greatest value; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** The k highest scores, highest first; of equals the lower index first. */
export function topK(scores: ArrayLike<number>, k: number, labels: readonly string[]): Ranked[] {
  const indices = Array.from(scores, (_, index) => index);
  indices.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return indices.slice(0, k).map((index) => ({ label: labels[index] ?? String(index), index, score: scores[index]! }));
}

/** 1 for the same direction, whatever the length; 0 where either is all zeros. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}
