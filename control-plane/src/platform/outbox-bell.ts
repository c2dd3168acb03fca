/** Rung by who has just committed orders to devices that must not wait: they are looked for at once, in this process. */
export class OutboxBell {
  #hear: () => void = () => undefined;

  ring(): void {
    this.#hear();
  }

  onRing(hear: () => void): void {
    this.#hear = hear;
  }
}
