import type { OutboxStore } from '@flotilla/agent/supervisor/outbox-store';
import type {
  BatchLimits,
  NewRecord,
  OutboxAck,
  OutboxBatch,
  OutboxState,
  RecordClass,
} from '@flotilla/agent/supervisor/outbox-contract';
import { newStreamId } from '@flotilla/agent/supervisor/outbox-schema';
import { liveShare, maxUnacknowledged } from '@flotilla/agent/supervisor/live-first';
import { SentSpans } from '@flotilla/agent/supervisor/sent-spans';

export type RecordStore = Pick<OutboxStore, 'append' | 'nextBatch' | 'ack' | 'sendAgain' | 'startNewStream' | 'state' | 'close'>;
export interface MemoryStoreOptions {
  /** More is dropped, oldest windows first; what was sent is kept. */
  readonly maxRecords: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly onDropped: (record: NewRecord) => void;
}

/** The agent's outbox without its file: thousands of them fit one process. Numbers, spans and turns are as in the real one. */
export class MemoryStore implements RecordStore {
  readonly #options: MemoryStoreOptions;
  readonly #spans: SentSpans;
  readonly #sent = new Map<number, NewRecord>();
  readonly #unsent: Record<RecordClass, NewRecord[]> = { event: [], window: [] };
  #stream = newStreamId();
  #next = 0;
  #dropped = 0;
  #bytes = 0;
  /** Windows at the end that no live batch had the choice of yet. */
  #fresh = 0;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#spans = new SentSpans(options.random);
  }

  append(records: readonly NewRecord[]): void {
    for (const record of records) {
      this.#unsent[record.class].push(record);
      this.#bytes += record.body.length;
      if (record.class === 'window') this.#fresh++;
    }
    while (this.#unsent.window.length > 0 && this.#count() > this.#options.maxRecords) this.#drop(this.#unsent.window.shift()!);
  }

  nextBatch(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    const live = recordClass === 'window' ? this.#live(limits) : undefined;
    return live ?? this.#resend(recordClass, limits) ?? this.#oldest(recordClass, limits);
  }

  ack({ upTo, ranges, refused }: OutboxAck): void {
    for (const seq of this.#sent.keys()) {
      if (seq >= upTo) break;
      this.#resolve(seq);
    }
    for (const [from, to] of ranges) for (let seq = from; seq <= to; seq++) this.#resolve(seq);
    for (const seq of refused) this.#resolve(seq);
    this.#spans.resolve(upTo);
  }

  sendAgain(): void {
    this.#spans.allAgain();
  }

  startNewStream(): void {
    for (const record of this.#sent.values()) this.#drop(record);
    this.#sent.clear();
    this.#spans.clear();
    this.#stream = newStreamId();
    this.#next = 0;
  }

  state(): OutboxState {
    const { event, window } = this.#unsent;
    const [lowest] = this.#sent.keys();
    return {
      stream: this.#stream,
      next: this.#next,
      base: lowest ?? this.#next,
      records: this.#count(),
      bytes: this.#bytes,
      dropped: this.#dropped,
      unsent: { event: event.length, window: window.length },
      durable: false,
    };
  }

  close(): void {}

  #live(limits: BatchLimits): OutboxBatch | undefined {
    if (this.#sent.size >= maxUnacknowledged.live) return undefined;
    const waiting = this.#unsent.window;
    const fresh = waiting.slice(waiting.length - Math.min(this.#fresh, waiting.length)).toReversed();
    const n = fitting(fresh.slice(0, liveShare(fresh.length)), limits);
    this.#fresh = 0;
    return this.#firstSend('window', waiting.splice(waiting.length - n, n));
  }

  #oldest(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    if (this.#sent.size >= maxUnacknowledged[recordClass === 'window' ? 'backlog' : 'live']) return undefined;
    const waiting = this.#unsent[recordClass];
    return this.#firstSend(recordClass, waiting.splice(0, fitting(waiting, limits)));
  }

  #firstSend(recordClass: RecordClass, records: readonly NewRecord[]): OutboxBatch | undefined {
    if (records.length === 0) return undefined;
    const seq0 = this.#next;
    for (const record of records) this.#sent.set(this.#next++, record);
    this.#spans.sent({ class: recordClass, from: seq0, to: this.#next - 1, attempts: 0 }, this.#options.now());
    return { class: recordClass, seq0, bodies: records.map((record) => record.body) };
  }

  #resend(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    for (let span; (span = this.#spans.takeDue(recordClass, this.#options.now()));) {
      const held: { seq: number; record: NewRecord }[] = [];
      for (let seq = span.from; seq <= span.to; seq++) {
        const record = this.#sent.get(seq);
        if (record) held.push({ seq, record });
      }
      const n = fitting(
        held.map((each) => each.record),
        limits,
      );
      const run = held.slice(0, n).filter(({ seq }, i) => seq === held[0]!.seq + i);
      const last = run.at(-1);
      if (!last) continue;
      this.#spans.sent({ ...span, from: run[0]!.seq, to: last.seq, attempts: span.attempts + 1 }, this.#options.now());
      const rest = held[run.length];
      if (rest) this.#spans.again({ ...span, from: rest.seq });
      return { class: recordClass, seq0: run[0]!.seq, bodies: run.map(({ record }) => record.body) };
    }
    return undefined;
  }

  #count(): number {
    return this.#sent.size + this.#unsent.event.length + this.#unsent.window.length;
  }

  #resolve(seq: number): void {
    this.#bytes -= this.#sent.get(seq)?.body.length ?? 0;
    this.#sent.delete(seq);
  }

  #drop(record: NewRecord): void {
    this.#bytes -= record.body.length;
    this.#dropped++;
    this.#options.onDropped(record);
  }
}

/** How many from the front fit, one at least. */
function fitting(records: readonly NewRecord[], { maxBytes, maxRecords }: BatchLimits): number {
  let bytes = 0;
  const end = records.findIndex((record, i) => (bytes += record.body.length) > maxBytes && i > 0);
  return Math.min(maxRecords, end < 0 ? records.length : end);
}
