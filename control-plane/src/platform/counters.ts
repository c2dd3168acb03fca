/** Running totals of this process, by name: what was received, refused, published. */
export class Counters {
  readonly #totals = new Map<string, number>();

  count(name: string, by = 1): void {
    this.#totals.set(name, (this.#totals.get(name) ?? 0) + by);
  }

  snapshot(): Record<string, number> {
    return Object.fromEntries([...this.#totals].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}
