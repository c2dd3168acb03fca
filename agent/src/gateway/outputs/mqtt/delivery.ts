import { Backlog, type BacklogLimits, usualBacklog } from '../backlog.js';

type Waiting = { json: string; since: number; isLate: boolean; sentAt: number };
/** Takes a message to the peer; `done` when the peer has it. What is not done when the connection ends is sent again. */
export type Carrier = (json: string, done: () => void) => void;

/** As many as every broker takes without an answer (Mosquitto's own bound is 20). */
const mostInFlight = 16;
/** One that waited longer is not of now any more. */
const lateMs = 1000;

/**
 * Brings each message to a peer at least once and in order, over as many connections as it takes. A message says whether it waited
 * (`historical`), so that nobody takes what is caught up on for news.
 */
export class Delivery {
  readonly #backlog: Backlog<Waiting>;
  /** Sent on a connection that ended before they were taken. */
  #again: Waiting[] = [];
  #inFlight = new Set<Waiting>();
  #carrier: Carrier | undefined;
  #sent = 0;
  #drained: (() => void) | undefined;

  constructor(
    limits: BacklogLimits = usualBacklog,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#backlog = new Backlog(limits);
  }

  get counts(): { sent: number; queued: number; dropped: number } {
    return { sent: this.#sent, queued: this.#queued, dropped: this.#backlog.dropped };
  }

  /** How long the peer has owed an answer. */
  get owedMs(): number {
    const [oldest] = this.#inFlight;
    return oldest ? this.now() - oldest.sentAt : 0;
  }

  /** `json`: an object. */
  add(json: string): void {
    this.#backlog.push({ json, since: this.now(), isLate: this.#carrier === undefined, sentAt: 0 }, json.length);
    this.#pump();
  }

  up(carrier: Carrier): void {
    this.#carrier = carrier;
    this.#pump();
  }

  down(): void {
    this.#carrier = undefined;
    this.#again.unshift(...this.#inFlight);
    for (const waiting of this.#again) waiting.isLate = true;
    // A new set: what the old connection still has to say is about no message of the next.
    this.#inFlight = new Set();
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.#tellDrained();
    });
  }

  get #queued(): number {
    return this.#backlog.length + this.#again.length + this.#inFlight.size;
  }

  #pump(): void {
    while (this.#carrier && this.#inFlight.size < mostInFlight) {
      const waiting = this.#again.shift() ?? this.#backlog.shift();
      if (!waiting) return;
      this.#send(waiting, this.#carrier);
    }
  }

  #send(waiting: Waiting, carrier: Carrier): void {
    const now = this.now();
    const inFlight = this.#inFlight.add(waiting);
    waiting.sentAt = now;
    const isHistorical = waiting.isLate || now - waiting.since > lateMs;
    carrier(`{"historical":${isHistorical},${waiting.json.slice(1)}`, () => {
      if (inFlight !== this.#inFlight || !inFlight.delete(waiting)) return;
      this.#sent += 1;
      this.#pump();
      this.#tellDrained();
    });
  }

  #tellDrained(): void {
    if (this.#queued === 0) this.#drained?.();
  }
}
