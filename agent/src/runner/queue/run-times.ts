/** Of the newest run in the running mean: fast enough to follow a model that slows down, slow enough to forget one that stalled. */
const weight = 0.2;
/** What is kept back for runs that take longer than their mean: halfway up to each that exceeds it, and slowly down again. */
const margin = { rise: 0.5, fall: 0.99, mostOfMean: 3 };

/** How long a run of so many rows takes here, by what earlier ones took. Sizes are told apart by powers of two. */
export class RunTimes {
  /** Milliseconds by ⌈log₂ rows⌉. */
  readonly #means = new Map<number, number>();
  /** What follows from them, until there is a newer one. */
  readonly #expected: number[] = [];
  #marginMs = 0;

  /** 0 until the first run is done: what nothing is known of is tried. More rows are never expected to take less. */
  expectedMs(rows: number): number {
    const size = sizeOf(rows);
    return (this.#expected[size] ??= this.#expect(size));
  }

  /** With a margin for how much runs differ: where many wait, each is answered close to its deadline, and half of all take longer than the mean. */
  cautiousMs(rows: number): number {
    const expected = this.expectedMs(rows);
    return expected + Math.min(this.#marginMs, margin.mostOfMean * expected);
  }

  learn(rows: number, ms: number): void {
    const size = sizeOf(rows);
    this.#learnMargin(ms - (this.#means.get(size) ?? ms));
    const before = this.#means.get(size);
    const mean = before === undefined ? ms : before + weight * (ms - before);
    // A stall at one size would otherwise keep that size from being tried again: fewer rows take no longer, more at most in proportion.
    for (const [other, known] of this.#means) this.#means.set(other, Math.min(known, mean * 2 ** Math.max(0, other - size)));
    this.#means.set(size, mean);
    this.#expected.length = 0;
  }

  #learnMargin(overMs: number): void {
    this.#marginMs =
      overMs > this.#marginMs ? this.#marginMs + margin.rise * (overMs - this.#marginMs) : this.#marginMs * margin.fall;
  }

  #expect(size: number): number {
    const known = [...this.#means];
    const atLeast = Math.max(0, ...known.filter(([other]) => other <= size).map(([, ms]) => ms));
    const larger = known.filter(([other]) => other >= size).map(([, ms]) => ms);
    if (larger.length > 0) return Math.max(atLeast, Math.min(...larger));
    return Math.max(0, ...known.map(([other, ms]) => ms * 2 ** (size - other)));
  }
}

const sizeOf = (rows: number) => Math.ceil(Math.log2(Math.max(1, rows)));
