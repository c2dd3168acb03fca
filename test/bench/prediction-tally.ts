/** `id` of a prediction: its runner's name, a dash, and a number that begins at 0 in each runner. */
const parted = (id: string) => {
  const dash = id.lastIndexOf('-');
  return { runner: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
};

export type StreamReport = { events: number; moved: number; lost: number; failures: string[] };

/** Compares what was answered with what a reader of the stream was told, runner by runner. */
export class PredictionTally {
  readonly #told = new Map<string, Set<number>>();
  readonly #answered: string[] = [];
  readonly #failures: string[] = [];
  #moved = 0;

  answered(id: string): void {
    this.#answered.push(id);
  }

  /** `event`: its id on the stream, by which a client would go on. */
  told(id: string, event: string | undefined): void {
    const { runner, seq } = parted(id);
    if (event !== String(seq)) this.failed(`the event of prediction ${id} has the id ${event}`);
    const seqs = this.#told.get(runner) ?? new Set();
    if (seqs.has(seq)) this.failed(`prediction ${id} came twice`);
    this.#told.set(runner, seqs.add(seq));
  }

  /** Sent on to the next runner. */
  moved(): void {
    this.#moved += 1;
  }

  failed(reason: string): void {
    this.#failures.push(reason);
  }

  /** Lost: answered by a runner after the reader's first event from it, and not told. */
  report(): StreamReport {
    const lost = this.#answered.filter((id) => {
      const { runner, seq } = parted(id);
      const told = this.#told.get(runner);
      return told !== undefined && seq > Math.min(...told) && !told.has(seq);
    });
    const events = [...this.#told.values()].reduce((sum, seqs) => sum + seqs.size, 0);
    return { events, moved: this.#moved, lost: lost.length, failures: this.#failures };
  }
}
