/** At once after a pause, and then not more often than each `everyMs`: what comes in between is done once, at its end. */
export class Pace {
  #timer: NodeJS.Timeout | undefined;
  #due = false;

  constructor(
    private readonly everyMs: number,
    private readonly act: () => void,
  ) {}

  ask(): void {
    if (this.#timer) this.#due = true;
    else this.now();
  }

  /** Without waiting for a turn. */
  now(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#turn(), this.everyMs);
    this.#due = false;
    this.act();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #turn(): void {
    this.#timer = undefined;
    if (this.#due) this.now();
  }
}
