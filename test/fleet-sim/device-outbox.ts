import { setImmediate as turn } from 'node:timers/promises';
import type { Outbox } from '@flotilla/agent/supervisor/outbox';
import type { NewRecord, OutboxAck, OutboxBatch, OutboxState, RecordClass } from '@flotilla/agent/supervisor/outbox-contract';
import type { EventRecord, TelemetryRecord } from '@flotilla/protocol';
import type { RecordStore } from './memory-store.js';

type AsOutbox = Pick<Outbox, 'state' | 'append' | 'nextBatch' | 'ack' | 'sendAgain' | 'startNewStream' | 'onChange' | 'close'>;
/** As the real one's. */
const groupCommitMs = 50;
const limits = { maxBytes: 192 * 1024, maxRecords: 1000 };

/** What the supervisor sees of its outbox, on the fleet's one thread instead of a thread for each. */
export class DeviceOutbox implements AsOutbox {
  readonly #store: RecordStore;
  #onChange: () => void = () => {};
  #told = false;

  constructor(store: RecordStore) {
    this.#store = store;
  }

  get state(): OutboxState {
    return this.#store.state();
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  append(record: EventRecord | TelemetryRecord): void {
    this.appendAll([record]);
  }

  /** Told once for what comes together, as the thread does. */
  appendAll(records: readonly (EventRecord | TelemetryRecord)[]): void {
    this.#store.append(records.map((record): NewRecord => ({ class: classOf(record), body: JSON.stringify(record) })));
    if (this.#told) return;
    this.#told = true;
    setTimeout(() => {
      this.#told = false;
      this.#onChange();
    }, groupCommitMs);
  }

  async nextBatch(recordClass: RecordClass): Promise<OutboxBatch | undefined> {
    const batch = this.#store.nextBatch(recordClass, limits);
    // From a thread an answer takes a turn: meanwhile other devices have theirs.
    if (batch) await turn();
    return batch;
  }

  async ack(ack: OutboxAck): Promise<void> {
    this.#store.ack(ack);
  }

  async sendAgain(): Promise<void> {
    this.#store.sendAgain();
  }

  async startNewStream(): Promise<void> {
    this.#store.startNewStream();
    this.#onChange();
  }

  async close(): Promise<void> {
    this.#store.close();
  }
}

const classOf = ({ type }: EventRecord | TelemetryRecord): RecordClass =>
  type === 'window' || type === 'vitals' ? 'window' : 'event';
