/** Of values in any order; `q` 0.5 is the median. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new Error('no values were measured');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}

export type Estimate = { median: number; interval: [number, number] };

/** Median and the order statistics that hold the true one in at least 95 of 100 cases, whatever the distribution. */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const rank = lowerRank(n);
  const middle = n % 2 === 1 ? sorted[(n - 1) / 2]! : (sorted[n / 2 - 1]! + sorted[n / 2]!) / 2;
  return { median: middle, interval: [sorted[rank]!, sorted[n - 1 - rank]!] };
}

/** The largest rank below which at most 2.5 % of Binomial(n, ½) lie; with fewer than six values the whole range is all that can be said. */
function lowerRank(n: number): number {
  let probability = 2 ** -n;
  let below = probability;
  let rank = 0;
  for (let k = 1; below + (probability * (n - k + 1)) / k <= 0.025; k++) {
    probability = (probability * (n - k + 1)) / k;
    below += probability;
    rank = k;
  }
  return rank;
}
