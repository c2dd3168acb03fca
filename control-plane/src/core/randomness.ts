/** For simulations of whole rollouts: the same numbers on every machine, and what may be made of shares that they give. */

/** mulberry32: small, and the same everywhere. */
export function randomness(seed: number) {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}
export type Randomness = ReturnType<typeof randomness>;

/** What a share of `n` may be by chance alone where the truth is `share`: three and a half standard deviations. */
export const atMost = (share: number, n: number) => share + 3.5 * Math.sqrt((share * (1 - share)) / n);
export const atLeast = (share: number, n: number) => share - 3.5 * Math.sqrt((share * (1 - share)) / n);
export const shareOf = (found: readonly boolean[]) => found.filter(Boolean).length / found.length;
export const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);
