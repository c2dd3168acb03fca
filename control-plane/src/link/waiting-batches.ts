import { setImmediate as turn } from 'node:timers/promises';
import { isLive, type ReceivedBatch } from './batch.js';

/**
 * A batch as it came. Read, it takes thirty times as much, and what waits as objects is copied by each collection of garbage: so it is read
 * at its turn. `read` gives nothing for what can't be read.
 */
export type Unread = {
  /** As it came, and as JSON. */
  bytes: number;
  jsonBytes: number;
  read: () => ReceivedBatch | undefined;
};

type Parts = {
  /** What backlog may wait in memory. */
  backlogBytes: number;
  /** Backlog for which there is no room: its device sends it again, and what is live still comes through. */
  putOff: () => void;
};

/** Reading holds up all else: others have a turn after so long. And what is live waits no longer than that for the backlog behind it to be read. */
const reading = { turnMs: 10, mostMs: 100 };

/** Batches that wait for a transaction: what is live before what is backlog, and neither starves. */
export class WaitingBatches {
  readonly #parts: Parts;
  #arrived: Unread[] = [];
  /** By what is in it: what a device sends again while it waits here waits once. */
  readonly #backlog = new Map<string, Unread>();
  #bytes = { arrived: 0, backlog: 0 };
  #jsonBytes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    return this.#arrived.length === 0 && this.#backlog.size === 0;
  }
  /** As they came: those of which it is not known yet whether they are live, and backlog. */
  get bytes(): Readonly<Record<'arrived' | 'backlog', number>> {
    return this.#bytes;
  }
  get jsonBytes(): number {
    return this.#jsonBytes;
  }

  add(unread: Unread): void {
    this.#arrived.push(unread);
    this.#bytes.arrived += unread.bytes;
    this.#jsonBytes += unread.jsonBytes;
  }

  /** As many records as make up one transaction: live ones, then backlog, of which there is always one. */
  async take(most: number): Promise<ReceivedBatch[]> {
    const live = await this.#takeLive(most);
    let records = live.reduce((sum, batch) => sum + batch.records.length, 0);
    const backlog: ReceivedBatch[] = [];
    for (const [key, waiting] of this.#backlog) {
      if (records >= most && backlog.length > 0) break;
      this.#backlog.delete(key);
      this.#bytes.backlog -= waiting.bytes;
      this.#jsonBytes -= waiting.jsonBytes;
      const batch = waiting.read();
      if (!batch) continue;
      records += batch.records.length;
      backlog.push(batch);
    }
    return [...live, ...backlog];
  }

  /** Of what has come by now; backlog among it is put aside. */
  async #takeLive(most: number): Promise<ReceivedBatch[]> {
    const live: ReceivedBatch[] = [];
    let [records, read] = [0, 0];
    const begun = performance.now();
    let pauseAt = begun + reading.turnMs;
    for (const end = this.#arrived.length; read < end && records < most;) {
      const waiting = this.#arrived[read++]!;
      this.#bytes.arrived -= waiting.bytes;
      this.#jsonBytes -= waiting.jsonBytes;
      const batch = waiting.read();
      if (batch && isLive(batch)) {
        live.push(batch);
        records += batch.records.length;
      } else if (batch) this.#putAside(batch, waiting);
      if (performance.now() < pauseAt) continue;
      if (live.length > 0 && pauseAt - begun >= reading.mostMs) break;
      await turn();
      pauseAt = performance.now() + reading.turnMs;
    }
    this.#arrived.splice(0, read);
    return live;
  }

  #putAside({ stream, sender, seq0, records }: ReceivedBatch, unread: Unread): void {
    const key = `${sender.device} ${stream} ${seq0} ${records.length}`;
    if (this.#backlog.has(key)) return;
    if (this.#bytes.backlog + unread.bytes > this.#parts.backlogBytes) return this.#parts.putOff();
    this.#backlog.set(key, unread);
    this.#bytes.backlog += unread.bytes;
    this.#jsonBytes += unread.jsonBytes;
  }
}
