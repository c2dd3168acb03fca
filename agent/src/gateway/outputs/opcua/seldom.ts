const quietMs = 10_000;

/** Tells of the first of many, and with it how many came since the last that was told: whoever knocks without end fills no log. */
export class Seldom {
  #toldAt = -Infinity;
  #untold = 0;

  tell(say: (others: number) => void): void {
    const now = performance.now();
    if (now - this.#toldAt < quietMs) return void (this.#untold += 1);
    say(this.#untold);
    this.#toldAt = now;
    this.#untold = 0;
  }
}
