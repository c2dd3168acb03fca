import { ApiError } from './client.js';

const shown = 5;

/** Adds to a refusal with that code the names that come nearest to the one that was asked for. */
export async function suggesting<T>(answer: Promise<T>, name: string, { code, names }: Known): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (!(cause instanceof ApiError) || cause.code !== code) throw cause;
    throw new ApiError(code, `${cause.message}; ${thereAre(name, await names())}`, { cause });
  }
}
type Known = { code: string; names: () => Promise<readonly string[]> };

/** "there are lyon-1, lyon-2", nearest first. */
export function thereAre(name: string, known: readonly string[]): string {
  const near = nearestFirst(name, known).slice(0, shown);
  return near.length === 0 ? 'there is none' : `there ${near.length === 1 ? 'is' : 'are'} ${near.join(', ')}`;
}

export const nearestFirst = (name: string, known: readonly string[]): string[] =>
  [...new Set(known)].toSorted((a, b) => likeness(name, b) - likeness(name, a));

/** Share of pairs of neighbouring letters that both have (Dice). */
function likeness(a: string, b: string): number {
  const [inA, inB] = [pairsOf(a), pairsOf(b)];
  return (2 * [...inA].filter((pair) => inB.has(pair)).length) / (inA.size + inB.size);
}

const pairsOf = (text: string) => {
  const whole = `^${text.toLowerCase()}$`;
  return new Set(Array.from({ length: whole.length - 1 }, (_, i) => whole.slice(i, i + 2)));
};
