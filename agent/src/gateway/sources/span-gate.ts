/** Lets through the first of each 1/n of a second, and everything where no rate is asked for. */
export class SpanGate {
  #span = Number.NaN;

  constructor(private readonly perSecond: number | undefined) {}

  /** At a time in milliseconds. */
  takes(ms: number): boolean {
    if (this.perSecond === undefined) return true;
    const span = Math.floor((ms * this.perSecond) / 1000);
    if (span === this.#span) return false;
    this.#span = span;
    return true;
  }
}
