const burst = 20;
const refillPerS = 0.2;
const maxAddresses = 10_000;

/** Refused enrolments per address: only failures count, so that a site of a thousand devices can enrol at once. */
export class Attempts {
  readonly #spent = new Map<string, { spent: number; at: number }>();

  /** Seconds until this address may try again; 0 when it may now. */
  waitS(address: string, nowMs: number): number {
    const spent = this.#spentBy(address, nowMs);
    return spent < burst ? 0 : Math.ceil((spent - burst + 1) / refillPerS);
  }

  failed(address: string, nowMs: number): void {
    const spent = this.#spentBy(address, nowMs) + 1;
    this.#spent.delete(address);
    this.#spent.set(address, { spent, at: nowMs });
    // The one that failed longest ago goes first.
    if (this.#spent.size > maxAddresses) this.#spent.delete(this.#spent.keys().next().value!);
  }

  #spentBy(address: string, nowMs: number): number {
    const known = this.#spent.get(address);
    return known ? Math.max(0, known.spent - ((nowMs - known.at) / 1000) * refillPerS) : 0;
  }
}
