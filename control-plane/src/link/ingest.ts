import { setTimeout as delay } from 'node:timers/promises';
import { downTopic, encodePayload, type StreamId } from '@flotilla/protocol';
import type { Counters } from '../platform/counters.js';
import type { Logger } from '../platform/logger.js';
import { halves, type ReceivedBatch } from './batch.js';
import { failureKind } from './database-failure.js';
import type { Acknowledgement, RecordStore, Stored } from './record-store.js';
import type { StreamAlarms } from './stream-alarms.js';
import { WaitingBatches, type Unread } from './waiting-batches.js';

export type IngestLimits = {
  /** A transaction begins at the latest so long after its first batch came, or as soon as so much JSON waits. */
  delayMs: number;
  jsonBytes: number;
  /** It takes no further batch once it has so many. */
  records: number;
  /** What may wait in memory, as it came; more slows the broker connection, not the process. */
  bytes: number;
  /** The same of backlog; more is put off: its devices send it again, and what is live still comes through. */
  backlogBytes: number;
  /** Between attempts while the database is away. */
  retryMs: { first: number; most: number };
};
export const ingestLimits: IngestLimits = {
  delayMs: 100,
  // Five hundred records of 490 bytes, as windows and vitals together have: more would leave the database without work meanwhile.
  jsonBytes: 240 * 1024,
  records: 1000,
  bytes: 4 * 1024 ** 2,
  backlogBytes: 32 * 1024 ** 2,
  retryMs: { first: 100, most: 5000 },
};

type Parts = {
  store: Pick<RecordStore, 'store'>;
  alarms: Pick<StreamAlarms, 'raise'>;
  publish: (topic: string, payload: Buffer) => Promise<void>;
  counters: Counters;
  log: Logger;
};

/** As many as one acknowledgement names; the rest are named when the device sends them again. */
const mostRefused = 10_000;

/** Batches from devices, a bounded buffer, one transaction at a time, acknowledgements: nothing is acknowledged before it is committed. */
export class Ingest {
  readonly #stop = new AbortController();
  readonly #parts: Parts;
  readonly #limits: IngestLimits;
  readonly #waiting: WaitingBatches;
  #arrived = Promise.withResolvers<void>();
  #full = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  readonly #acking = new Set<Promise<void>>();

  constructor(parts: Parts, limits: IngestLimits = ingestLimits) {
    this.#parts = parts;
    this.#limits = limits;
    const putOff = () => parts.counters.count('ingest.put-off');
    this.#waiting = new WaitingBatches({ backlogBytes: limits.backlogBytes, putOff });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when there is room for the next one. */
  async add(batch: Unread): Promise<void> {
    this.#waiting.add(batch);
    this.#arrived.resolve();
    if (this.#isFull) this.#full.resolve();
    if (!this.#hasRoom) await this.#room.promise;
  }

  get #isFull(): boolean {
    return this.#waiting.jsonBytes >= this.#limits.jsonBytes;
  }
  get #hasRoom(): boolean {
    return this.#waiting.bytes.arrived <= this.#limits.bytes;
  }

  /** Stores what waits, once; what the database does not take now the devices send again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#arrived.resolve();
    this.#full.resolve();
    this.#room.resolve();
    await this.#running;
    await Promise.all(this.#acking);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted || !this.#waiting.isEmpty) {
      await this.#arrived.promise;
      if (!signal.aborted) await Promise.race([this.#full.promise, delay(this.#limits.delayMs)]);
      const batches = await this.#take();
      if (batches.length > 0) this.#announce(await this.#settle(batches));
    }
  }

  async #take(): Promise<ReceivedBatch[]> {
    const taken = await this.#waiting.take(this.#limits.records);
    if (!this.#isFull) this.#full = Promise.withResolvers();
    if (this.#waiting.isEmpty && !this.#stop.signal.aborted) this.#arrived = Promise.withResolvers();
    if (this.#hasRoom) this.#admit();
    return taken;
  }

  #admit(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  /** One bad device, then one bad record, is found by halving; the rest is stored. */
  async #settle(batches: readonly ReceivedBatch[]): Promise<Stored[]> {
    try {
      return [await this.#storeWhenPossible(batches)];
    } catch (error) {
      if (this.#stop.signal.aborted && failureKind(error) === 'database') return this.#giveUp(batches, error);
      const parts = split(batches);
      if (!parts) return this.#settleLast(batches[0]!, error);
      return [...(await this.#settle(parts[0])), ...(await this.#settle(parts[1]))];
    }
  }

  async #settleLast(batch: ReceivedBatch, error: unknown): Promise<Stored[]> {
    const [read] = batch.records;
    const reason = error instanceof Error ? error.message : String(error);
    if (failureKind(error) !== 'data' || !read || 'refused' in read) return this.#giveUp([batch], error);
    this.#parts.log.warn({ device: batch.sender.device, seq: batch.seq0, reason }, 'the database refused a record');
    return this.#settle([{ ...batch, records: [{ refused: `the database refused it: ${reason}`, raw: read.record }] }]);
  }

  /** Unacknowledged: the devices keep it and send it again. */
  #giveUp(batches: readonly ReceivedBatch[], error: unknown): Stored[] {
    this.#parts.counters.count('ingest.not-stored', batches.length);
    this.#parts.log.error({ err: error, devices: batches.map((b) => b.sender.device) }, 'batches could not be stored');
    return [];
  }

  async #storeWhenPossible(batches: readonly ReceivedBatch[]): Promise<Stored> {
    const { first, most } = this.#limits.retryMs;
    for (let wait = first; ; wait = Math.min(2 * wait, most)) {
      try {
        return await this.#parts.store.store(batches);
      } catch (error) {
        if (failureKind(error) !== 'database' || this.#stop.signal.aborted) throw error;
        this.#parts.counters.count('ingest.retries');
        this.#parts.log.warn({ err: error, waitMs: wait }, 'the database did not take telemetry; it is tried again');
        await delay(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  #announce(stored: readonly Stored[]): void {
    const { counters, alarms } = this.#parts;
    for (const { fresh, refused, foreign, unknown } of stored) {
      counters.count('ingest.records', fresh);
      counters.count('ingest.refused', refused);
      counters.count('ingest.foreign-stream', foreign.length);
      counters.count('ingest.unknown-device', unknown.length);
      for (const claim of foreign) void alarms.raise(claim);
    }
    for (const acknowledgement of lastPerStream(stored.flatMap((s) => s.acks))) this.#acknowledge(acknowledgement);
  }

  /** An acknowledgement that does not arrive is given again when the device sends the batch again. */
  #acknowledge({ sender: { tenant, device }, ack }: Acknowledgement): void {
    const { publish, counters, log } = this.#parts;
    const sent = publish(downTopic(tenant, device, 'ack'), encodePayload(ack)).then(
      () => counters.count('ingest.acks'),
      (error: unknown) => {
        counters.count('ingest.acks-failed');
        log.debug({ err: error, device }, 'an acknowledgement was not sent');
      },
    );
    this.#acking.add(sent);
    void sent.finally(() => this.#acking.delete(sent));
  }
}

function split(batches: readonly ReceivedBatch[]): [readonly ReceivedBatch[], readonly ReceivedBatch[]] | null {
  if (batches.length > 1) {
    const byDevice = batches.toSorted((a, b) => (a.sender.device < b.sender.device ? -1 : 1));
    const middle = Math.floor(byDevice.length / 2);
    return [byDevice.slice(0, middle), byDevice.slice(middle)];
  }
  const parts = batches[0] && halves(batches[0]);
  return parts ? [[parts[0]], [parts[1]]] : null;
}

/** A bisected transaction acknowledges one stream several times: the last cursor holds, what was refused adds up. */
function lastPerStream(acks: readonly Acknowledgement[]): Acknowledgement[] {
  const last = new Map<StreamId, Acknowledgement>();
  for (const { sender, ack } of acks) {
    const refused = new Set([...(last.get(ack.stream)?.ack.refused ?? []), ...ack.refused]);
    last.set(ack.stream, { sender, ack: { ...ack, refused: [...refused].slice(0, mostRefused) } });
  }
  return [...last.values()];
}
