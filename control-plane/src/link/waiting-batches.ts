import type { ReceivedBatch, Unreadable } from './batch.js';

/** A batch as it came: it takes about a thirtieth of what it takes once it is read. */
export type Unread = { bytes: number; read: () => ReceivedBatch | Unreadable };
type Backlog = Unread & { records: number };

/** Measured: a record of 410 bytes as JSON in columns takes 1.65 kB of the heap. */
const heapPerJsonByte = 4;
const bytesOf = (batch: ReceivedBatch) => heapPerJsonByte * batch.bytes;

/** Batches that wait for a transaction: what is live before what is backlog, and neither starves. What was taken counts until it is settled. */
export class WaitingBatches {
  #live: ReceivedBatch[] = [];
  /** By what is in it: what a device sends again while it waits here waits once. */
  readonly #backlog = new Map<string, Backlog>();
  #records = 0;
  #taken = { live: 0, backlog: 0 };
  #bytes = { live: 0, backlog: 0 };

  get records(): number {
    return this.#records;
  }
  get isEmpty(): boolean {
    return this.#live.length === 0 && this.#backlog.size === 0;
  }
  /** Of this process's memory. */
  get bytes(): Readonly<Record<'live' | 'backlog', number>> {
    return this.#bytes;
  }

  addLive(batch: ReceivedBatch): void {
    this.#live.push(batch);
    this.#records += batch.records.length;
    this.#bytes.live += bytesOf(batch);
  }

  addBacklog({ stream, sender, seq0, records }: ReceivedBatch, unread: Unread): void {
    const key = `${sender.device} ${stream} ${seq0} ${records.length}`;
    if (this.#backlog.has(key)) return;
    this.#backlog.set(key, { ...unread, records: records.length });
    this.#records += records.length;
    this.#bytes.backlog += unread.bytes;
  }

  /** As many as make up one transaction: live ones, then backlog, of which there is always one. */
  take(most: number): ReceivedBatch[] {
    let records = 0;
    const end = this.#live.findIndex((batch) => (records += batch.records.length) >= most);
    const live = this.#live.splice(0, end < 0 ? this.#live.length : end + 1);
    for (const batch of live) this.#taken.live += bytesOf(batch);
    const backlog: ReceivedBatch[] = [];
    for (const [key, waiting] of this.#backlog) {
      if (records >= most && backlog.length > 0) break;
      records += waiting.records;
      this.#backlog.delete(key);
      this.#taken.backlog += waiting.bytes;
      const batch = waiting.read();
      if (!('unreadable' in batch)) backlog.push(batch);
    }
    this.#records -= records;
    return [...live, ...backlog];
  }

  /** What was taken last is stored, or given up. */
  settled(): void {
    this.#bytes = { live: this.#bytes.live - this.#taken.live, backlog: this.#bytes.backlog - this.#taken.backlog };
    this.#taken = { live: 0, backlog: 0 };
  }
}
