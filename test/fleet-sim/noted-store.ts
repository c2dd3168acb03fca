import type {
  BatchLimits,
  NewRecord,
  OutboxAck,
  OutboxBatch,
  OutboxState,
  RecordClass,
} from '@flotilla/agent/supervisor/outbox-contract';
import type { EventRecord, TelemetryRecord } from '@flotilla/protocol';
import type { RecordStore } from './memory-store.js';

type Known = EventRecord | TelemetryRecord;

/** An outbox whose acknowledged records are told by name: what it was sent under which number is remembered here. */
export class NotedStore implements RecordStore {
  readonly #store: RecordStore;
  readonly #acknowledged: (records: readonly Known[]) => void;
  readonly #sent = new Map<number, Known>();
  #stream: string;

  constructor(store: RecordStore, acknowledged: (records: readonly Known[]) => void) {
    this.#store = store;
    this.#acknowledged = acknowledged;
    this.#stream = store.state().stream;
  }

  append(records: readonly NewRecord[]): void {
    this.#store.append(records);
  }

  nextBatch(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    const batch = this.#store.nextBatch(recordClass, limits);
    this.#follow();
    batch?.bodies.forEach((body, i) => this.#sent.set(batch.seq0 + i, JSON.parse(body) as Known));
    return batch;
  }

  /** Written down before the outbox lets go of them. */
  ack(ack: OutboxAck): void {
    this.#follow();
    const isResolved = (seq: number) => seq < ack.upTo || ack.ranges.some(([from, to]) => from <= seq && seq <= to);
    const refused = new Set(ack.refused);
    const resolved = [...this.#sent.keys()].filter((seq) => isResolved(seq) || refused.has(seq));
    this.#acknowledged(resolved.filter((seq) => !refused.has(seq)).map((seq) => this.#sent.get(seq)!));
    for (const seq of resolved) this.#sent.delete(seq);
    this.#store.ack(ack);
  }

  sendAgain(): void {
    this.#store.sendAgain();
  }

  startNewStream(): void {
    this.#store.startNewStream();
  }

  state(): OutboxState {
    return this.#store.state();
  }

  close(): void {
    this.#store.close();
  }

  /** Numbers of an earlier stream say nothing of this one. */
  #follow(): void {
    const { stream } = this.#store.state();
    if (stream === this.#stream) return;
    this.#sent.clear();
    this.#stream = stream;
  }
}
