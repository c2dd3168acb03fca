import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { EventRecord, TelemetryRecord } from '@flotilla/protocol/device';
import type { BatchLimits, HeldRecords, OutboxAck, OutboxBatch, OutboxState, RecordClass } from './outbox-contract.js';
import type { FromOutbox, OutboxOrder, OutboxWorkerData, ToOutbox } from './outbox-worker.js';

interface OutboxOptions extends OutboxWorkerData {
  readonly onAlarm: (alarm: { name: string; message: string; closes?: HeldRecords | undefined }) => void;
  /** A bug: the thread ended. */
  readonly onDeath: (error: Error) => void;
  /** Node's options for the thread, where they are not this process's own. */
  readonly execArgv?: readonly string[];
}

/** Beside this file: .js where it was built, .ts where the sources run. */
const workerUrl = new URL(`./outbox-worker${extname(import.meta.url)}`, import.meta.url);
/** JSON, before columns and gzip; the schema's bounds on a message leave room. */
const batchLimits: BatchLimits = { maxBytes: 192 * 1024, maxRecords: 1000 };

/** Keeps records until the server has committed them to its database. The work is done on the outbox's own thread. */
export class Outbox {
  readonly #worker: Worker;
  readonly #options: OutboxOptions;
  readonly #waiting = new Map<number, PromiseWithResolvers<OutboxBatch | undefined>>();
  readonly #opened = Promise.withResolvers<void>();
  #state!: OutboxState;
  #lastId = 0;
  #closing = false;
  #onChange: () => void = () => {};

  /** Records may be appended at once; the thread takes them when it has opened the file. */
  constructor(options: OutboxOptions) {
    this.#options = options;
    const { file, thumbprint, limits, unwrittenS, execArgv } = options;
    const workerData: OutboxWorkerData = { file, thumbprint, limits, unwrittenS };
    // Little memory is enough, and a thread that asks for more has a bug that must not take the device with it.
    const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 1 };
    this.#worker = new Worker(workerUrl, { workerData, resourceLimits, ...(execArgv && { execArgv: [...execArgv] }) });
    this.#worker.on('message', (message: FromOutbox) => this.#receive(message));
    this.#worker.on('error', (error) => this.#died(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#died(new Error('the outbox thread ended')));
    this.opened.catch(() => undefined); // told by onDeath as well
  }

  /** From then on it has a state. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** As of the last answer from the thread. */
  get state(): OutboxState {
    return this.#state;
  }

  /** Called when records were stored, or the stream changed. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** An event is on disk within a tenth of a second, a window within `unwrittenS`, or before it is sent. */
  append(record: EventRecord | TelemetryRecord): void {
    this.#post({ type: 'append', record: { class: classOf(record), body: JSON.stringify(record) } });
  }

  nextBatch(recordClass: RecordClass): Promise<OutboxBatch | undefined> {
    return this.#order({ do: 'next-batch', class: recordClass, limits: batchLimits });
  }

  async ack(ack: OutboxAck): Promise<void> {
    await this.#order({ do: 'ack', ack });
  }

  /** What is not acknowledged is due at once. */
  async sendAgain(): Promise<void> {
    await this.#order({ do: 'send-again' });
  }

  async startNewStream(): Promise<void> {
    await this.#order({ do: 'start-new-stream' });
  }

  /** Everything appended before is on disk. */
  async flush(): Promise<void> {
    await this.#order({ do: 'flush' });
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    const closed = this.#order({ do: 'close' });
    this.#closing = true;
    await closed;
  }

  #order(order: OutboxOrder): Promise<OutboxBatch | undefined> {
    const id = (this.#lastId += 1);
    const answer = Promise.withResolvers<OutboxBatch | undefined>();
    if (this.#closing) answer.reject(new Error('the outbox is closed'));
    else {
      this.#waiting.set(id, answer);
      this.#post({ type: 'order', id, order });
    }
    return answer.promise;
  }

  #post(message: ToOutbox): void {
    if (!this.#closing) this.#worker.postMessage(message);
  }

  #receive(message: FromOutbox): void {
    switch (message.type) {
      case 'alarm':
        return this.#options.onAlarm({ name: message.name, message: message.message, closes: message.closes });
      case 'state':
        this.#state = message.state;
        this.#opened.resolve();
        return this.#onChange();
      case 'done':
        return this.#answered(message);
    }
  }

  #answered({ id, state, batch }: Extract<FromOutbox, { type: 'done' }>): void {
    const streamChanged = this.#state.stream !== state.stream;
    this.#state = state;
    this.#waiting.get(id)?.resolve(batch);
    this.#waiting.delete(id);
    if (streamChanged) this.#onChange();
  }

  #died(error: Error): void {
    this.#opened.reject(error);
    for (const answer of this.#waiting.values()) answer.reject(error);
    this.#waiting.clear();
    if (!this.#closing) this.#options.onDeath(error);
    this.#closing = true;
  }
}

const classOf = ({ type }: EventRecord | TelemetryRecord): RecordClass =>
  type === 'window' || type === 'vitals' ? 'window' : 'event';
