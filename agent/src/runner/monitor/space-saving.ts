import { type ClassCounts, cutClasses } from '@flotilla/protocol/device';

/** Of so many classes between two cuts each is counted exactly. */
const mostCounters = 256;

/**
 * How often which label came, in bounded memory whatever the labels are (space-saving: Metwally et al., ICDT 2005). When a new label finds
 * every counter taken, it takes over the least, count and all, so that none has more than it says, and none less than it says less the least.
 */
export class SpaceSaving {
  readonly #counts = new Map<string, number>();
  #total = 0;
  #isFull = false;

  constructor(private readonly most = mostCounters) {}

  add(label: string): void {
    this.#total += 1;
    const before = this.#counts.get(label);
    if (before === undefined && this.#counts.size === this.most) this.#replaceLeast(label);
    else this.#counts.set(label, (before ?? 0) + 1);
  }

  /** What is certain of each: `cutClasses` goes on from there. */
  toCounts(): ClassCounts {
    const least = this.#isFull ? this.#least()[1] : 0;
    const certain = new Map<string, number>();
    for (const [label, count] of this.#counts) if (count > least) certain.set(label, count - least);
    const counted = [...certain.values()].reduce((sum, count) => sum + count, 0);
    return cutClasses(certain, this.#total - counted);
  }

  #replaceLeast(label: string): void {
    const [least, count] = this.#least();
    this.#isFull = true;
    this.#counts.delete(least);
    this.#counts.set(label, count + 1);
  }

  /** Of several the one that has been there longest, so that the same calls give the same counts. */
  #least(): [string, number] {
    let found: [string, number] | undefined;
    for (const entry of this.#counts) if (found === undefined || entry[1] < found[1]) found = entry;
    return found!;
  }
}
