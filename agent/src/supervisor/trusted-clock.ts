import { z } from 'zod';
import { readIfThere, writeDurably } from './durable-file.js';

const Stored = z.object({ v: z.literal(1), floor: z.int().min(0) });

/**
 * Milliseconds since 1970, never below what the fleet has shown to be past: a board without a battery starts in 1970,
 * and an expired message must not come alive again. A server's word counts at once, but outlives this process only when
 * a signed desired state, which expires later than that, vouches for it: else one wrong server could age the device for good.
 */
export class TrustedClock {
  readonly #file: string;
  readonly #os: () => number;
  #floor: number;
  #told = 0;

  /** `signedPast`: a moment that a certificate proves to be past. */
  constructor(file: string, os: () => number, signedPast: number) {
    this.#file = file;
    this.#os = os;
    this.#floor = Math.max(signedPast, this.#stored());
  }

  now(): number {
    return Math.max(this.#os(), this.#floor, this.#told);
  }

  told(serverTime: number): void {
    this.#told = serverTime;
  }

  /** A signed message that expires then was accepted now. */
  vouched(expires: number): void {
    if (this.#told >= expires || this.#told - this.#floor < savedEveryMs) return;
    this.#floor = this.#told;
    writeDurably(this.#file, JSON.stringify({ v: 1, floor: this.#floor } satisfies z.infer<typeof Stored>));
  }

  #stored(): number {
    const text = readIfThere(this.#file);
    if (text === undefined) return 0;
    const stored = Stored.safeParse(orNothing(text));
    // A damaged floor is no floor; the next welcome sets it again.
    return stored.success ? stored.data.floor : 0;
  }
}

/** Flash wears: an hour is near enough for messages that live for days. */
const savedEveryMs = 3_600_000;

function orNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
