/** Of connections: who comes back without end shall not keep the broker busy with hellos. */
const usual = { perS: 20, burst: 60 };

/** Whether one more connection may be made now. */
export class Arrivals {
  #tokens: number;
  #at = 0;

  constructor(private readonly limits = usual) {
    this.#tokens = limits.burst;
  }

  admits(now: number): boolean {
    const { perS, burst } = this.limits;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perS);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
