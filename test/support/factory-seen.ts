/** What a peer saw of one slot's readings, by their sequence numbers. */
export type Tally = {
  /** Different ones of this run of the gateway, and how many between the first and the last are missing. */
  distinct: number;
  first: number;
  last: number;
  missing: number;
  /** All that came, doubles too. */
  heard: number;
  historical: number;
  /** Of the gateway, as this peer knows them. */
  runs: number;
  /** The peer's own connections that fell. */
  falls: number;
  quality: string;
};

export class Seen {
  #sequences = new Set<number>();
  #run: string | undefined;
  #tally = { heard: 0, historical: 0, runs: 0, falls: 0, quality: '' };
  #last = -1;

  run(id: string): void {
    if (id === this.#run) return;
    this.#run = id;
    this.#tally.runs += 1;
    this.#sequences = new Set();
    this.#last = -1;
  }

  reading(sequence: number, quality: string, isHistorical = false): void {
    this.#tally.heard += 1;
    if (isHistorical) this.#tally.historical += 1;
    this.#sequences.add(sequence);
    if (sequence < this.#last) return;
    this.#last = sequence;
    this.#tally.quality = quality;
  }

  fell(): void {
    this.#tally.falls += 1;
  }

  get tally(): Tally {
    const first = Math.min(...firstOf(this.#sequences), this.#last);
    const span = this.#last < 0 ? 0 : this.#last - first + 1;
    const distinct = this.#sequences.size;
    return { ...this.#tally, distinct, first, last: this.#last, missing: span - distinct };
  }
}

/** Sets keep the order in which things came; what came late may be older. */
function* firstOf(sequences: ReadonlySet<number>): Generator<number> {
  let least: number | undefined;
  for (const sequence of sequences) if (least === undefined || sequence < least) least = sequence;
  if (least !== undefined) yield least;
}
