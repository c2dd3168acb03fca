/** So many handshakes may be under way; one that takes longer than `holdMs` (a slow link, or nobody there) makes room for the next. */
export type AdmissionLimits = Readonly<{ atOnce: number; holdMs: number; waitMs: number }>;
type Socket = { readonly destroyed: boolean; destroy(): unknown };
type Waiting<S> = { socket: S; since: number };

/**
 * Whoever comes waits for its turn. A fleet that comes back at once asks for more handshakes than there is time for: all of them together
 * would each last longer than its device waits for it, and be for nothing. Who has waited for longer than `waitMs` has given up.
 */
export class Admission<S extends Socket> {
  readonly #limits: AdmissionLimits;
  readonly #begin: (socket: S) => void;
  readonly #gaveUp: () => void;
  #waiting: Waiting<S>[] = [];
  readonly #turns = new Set<NodeJS.Timeout>();

  constructor(limits: AdmissionLimits, begin: (socket: S) => void, gaveUp: () => void = () => {}) {
    this.#limits = limits;
    this.#begin = begin;
    this.#gaveUp = gaveUp;
  }

  enter(socket: S): void {
    this.#waiting.push({ socket, since: performance.now() });
    this.#next();
  }

  /** A handshake has come to its end, whichever: one of those under way is over. */
  done(): void {
    const [first] = this.#turns;
    if (first) this.#end(first);
  }

  stop(): void {
    for (const turn of this.#turns) clearTimeout(turn);
    this.#turns.clear();
    for (const { socket } of this.#waiting.splice(0)) socket.destroy();
  }

  #end(turn: NodeJS.Timeout): void {
    clearTimeout(turn);
    this.#turns.delete(turn);
    this.#next();
  }

  #next(): void {
    while (this.#turns.size < this.#limits.atOnce) {
      const next = this.#waiting.shift();
      if (!next) return;
      if (next.socket.destroyed) continue;
      if (performance.now() - next.since > this.#limits.waitMs) {
        this.#gaveUp();
        next.socket.destroy();
        continue;
      }
      const turn: NodeJS.Timeout = setTimeout(() => this.#end(turn), this.#limits.holdMs);
      this.#turns.add(turn);
      this.#begin(next.socket);
    }
  }
}
