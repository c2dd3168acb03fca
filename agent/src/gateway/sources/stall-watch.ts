/** Tells once that nothing came for so long. It waits only between `expect` and `rest`: who does not read can't say that nothing came. */
export class StallWatch {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly ms: number,
    private readonly onStall: () => void,
  ) {}

  expect(): void {
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(this.onStall, this.ms);
  }

  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
