/**
 * Testing by betting (Waudby-Smith & Ramdas, JRSS-B 2024; Ville 1939): capital that somebody would have who had bet, window by window,
 * against 'the mean is acceptable'. While that is true the capital exceeds 1/α with probability α at most, however often one looks,
 * whenever one stops, whatever the dependence between windows. Capitals are kept as logarithms, one for each size of bet: their sum
 * over windows is all there is to keep, in any order.
 */
export type Capitals = readonly number[];

const bets = [0.05, 0.1, 0.2, 0.4, 0.8] as const;
export const noCapital: Capitals = bets.map(() => 0);

/** Gain of a bet that the mean is above `acceptable`, on seeing `x` in [0, 1]. */
export const breachGain = (x: number, acceptable: number): Capitals =>
  bets.map((bet) => Math.log1p((bet / acceptable) * (x - acceptable)));

/** Gain of a bet that the mean is below `unacceptable`. */
export const passGain = (x: number, unacceptable: number): Capitals =>
  bets.map((bet) => Math.log1p((-bet / (1 - unacceptable)) * (x - unacceptable)));

export const addCapitals = (a: Capitals, b: Capitals): Capitals => a.map((log, i) => log + b[i]!);

/** Logarithm of the mean of the five capitals: a product may exceed what a number can hold. */
export function logCapital(capitals: Capitals): number {
  const most = Math.max(...capitals);
  return most + Math.log(capitals.reduce((sum, log) => sum + Math.exp(log - most), 0) / capitals.length);
}
