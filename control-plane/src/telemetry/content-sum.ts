import { type BaselineCounts, cutClasses } from '@flotilla/protocol';

/** What windows counted by class, score and bin of the baseline: one's, or several's together. */
export type Contents = Readonly<{
  classes: Readonly<Record<string, number>>;
  otherClasses: number;
  scores: readonly number[];
  baseline: BaselineCounts | null;
}>;

/** Models with no more classes are counted exactly; of others a sum keeps the most frequent, and of each it may lack a share of the rest. */
export const mostClassesKept = 256;

/** Up to `mostClassesKept` classes it is the same in whatever order it is added. */
export class ContentSum implements Contents {
  readonly #classes = new Map<string, number>();
  #others = 0;
  readonly scores: number[] = Array.from({ length: 10 }, () => 0);
  baseline: { inputs: number[][]; score?: number[] } | null = null;

  add({ classes, otherClasses, scores, baseline }: Contents): void {
    for (const [name, count] of Object.entries(classes)) this.#classes.set(name, (this.#classes.get(name) ?? 0) + count);
    this.#others += otherClasses;
    addTo(this.scores, scores);
    if (baseline) this.#addBaseline(baseline);
    // Not at each class too many, for to cut is to sort.
    this.#cutTo(4 * mostClassesKept);
  }

  get classes(): Record<string, number> {
    this.#cutTo(mostClassesKept);
    return Object.fromEntries(this.#classes);
  }

  get otherClasses(): number {
    this.#cutTo(mostClassesKept);
    return this.#others;
  }

  #addBaseline({ inputs, score }: BaselineCounts): void {
    const sum = (this.baseline ??= { inputs: [] });
    inputs.forEach((counts, i) => addTo((sum.inputs[i] ??= []), counts));
    if (score) addTo((sum.score ??= []), score);
  }

  #cutTo(most: number): void {
    if (this.#classes.size <= most) return;
    const { classes, otherClasses } = cutClasses(this.#classes, this.#others, mostClassesKept);
    this.#classes.clear();
    for (const [name, count] of Object.entries(classes)) this.#classes.set(name, count);
    this.#others = otherClasses;
  }
}

function addTo(sums: number[], counts: readonly number[]): void {
  counts.forEach((count, i) => (sums[i] = (sums[i] ?? 0) + count));
}
