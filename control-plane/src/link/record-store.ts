import type { Ack, StreamId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { advance, closed, type StreamCursor } from '../core/stream-cursor.js';
import { placeInTime } from '../telemetry/device-time.js';
import { TelemetryService } from '../telemetry/telemetry.service.js';
import type { DeviceRecord, ReceivedBatch, Sender } from './batch.js';
import { storeDeadLetters, type DeadLetter } from './dead-letters.js';
import { DeviceReports, type DeviceEvent } from './device-reports.js';
import { Streams, type StreamClaim } from './streams.js';

export type Acknowledgement = { sender: Sender; ack: Ack };
export type Stored = {
  acks: Acknowledgement[];
  /** Records that were new, and those among them that could not be read. */
  fresh: number;
  refused: number;
  foreign: StreamClaim[];
  unknown: StreamClaim[];
};

/** What one transaction writes. */
type Harvest = {
  windows: Parameters<TelemetryService['store']>[1][number][];
  vitals: Parameters<TelemetryService['store']>[2][number][];
  events: DeviceEvent[];
  deadLetters: DeadLetter[];
};

/** Batches into the database: the records that are new to it, what follows from them, and the cursors, in one transaction or not at all. */
@Injectable()
export class RecordStore {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(Streams) private readonly streams: Streams,
    @Inject(TelemetryService) private readonly telemetry: TelemetryService,
    @Inject(DeviceReports) private readonly reports: DeviceReports,
  ) {}

  async store(batches: readonly ReceivedBatch[]): Promise<Stored> {
    const { work, run } = await this.db.transaction(async (tx) => {
      const claimed = await this.streams.lock(tx, batches.flatMap(claimsOf));
      const work = new StreamWork();
      for (const batch of batches) work.take(batch, claimed(claimOf(batch)));
      for (const end of work.ends) work.close(end, claimed(end));
      const { windows, vitals, events, deadLetters } = work.harvest;
      const run = await this.telemetry.store(tx, windows, vitals);
      await this.reports.record(tx, events, windows);
      await storeDeadLetters(tx, deadLetters);
      await this.saveCursors(tx, work);
      return { work, run };
    });
    this.telemetry.committed(run, work.harvest.windows);
    return work.stored();
  }

  private async saveCursors(tx: EntityManager, { cursors }: StreamWork): Promise<void> {
    if (cursors.size > 0) await this.streams.save(tx, cursors);
  }
}

const claimOf = ({ sender, stream }: ReceivedBatch): StreamClaim => ({ ...sender, stream });
/** An outbox that ended is told of under the one that came after it. */
type StreamEnd = StreamClaim & Readonly<{ next: number }>;

function claimsOf(batch: ReceivedBatch): StreamClaim[] {
  const claims: StreamClaim[] = [claimOf(batch)];
  for (const read of batch.records) {
    const end = 'record' in read ? endOf(batch, read.record) : undefined;
    if (end) claims.push(end);
  }
  return claims;
}

function endOf({ sender }: ReceivedBatch, record: DeviceRecord): StreamEnd | undefined {
  const closes = record.type === 'alarm' ? record.closes : undefined;
  return closes?.stream && { ...sender, stream: closes.stream, next: closes.next ?? 0 };
}

function refusedIn({ seq0, records }: ReceivedBatch): number[] {
  const seqs: number[] = [];
  for (let i = 0; i < records.length; i++) if ('refused' in records[i]!) seqs.push(seq0 + i);
  return seqs;
}

/** Moves the cursors over one transaction's batches and gathers what is new. */
class StreamWork {
  readonly cursors = new Map<StreamId, StreamCursor>();
  readonly harvest: Harvest = { windows: [], vitals: [], events: [], deadLetters: [] };
  readonly ends: StreamEnd[] = [];
  readonly #acks = new Map<StreamId, { sender: Sender; refused: Set<number> }>();
  readonly #foreign: StreamClaim[] = [];
  readonly #unknown: StreamClaim[] = [];
  #fresh = 0;

  take(batch: ReceivedBatch, claimed: { cursor: StreamCursor } | { refused: 'foreign' | 'unknown' }): void {
    if ('refused' in claimed) {
      (claimed.refused === 'foreign' ? this.#foreign : this.#unknown).push(claimOf(batch));
      return;
    }
    const { stream, base, seq0, records } = batch;
    const refusedSeqs = refusedIn(batch);
    const before = this.cursors.get(stream) ?? claimed.cursor;
    const { cursor, fresh } = advance(before, { base, seq0, n: records.length, refusedSeqs });
    this.cursors.set(stream, cursor);
    this.#fresh += fresh.length;
    for (const seq of fresh) this.#gather(batch, seq);
    const ack = this.#acks.get(stream) ?? { sender: batch.sender, refused: new Set() };
    for (const seq of refusedSeqs) ack.refused.add(seq);
    this.#acks.set(stream, ack);
  }

  /** Another device's stream, of which this one had a copy, goes on. */
  close({ stream, next }: StreamEnd, claimed: { cursor: StreamCursor } | { refused: 'foreign' | 'unknown' }): void {
    if ('cursor' in claimed) this.cursors.set(stream, closed(this.cursors.get(stream) ?? claimed.cursor, next));
  }

  stored(): Stored {
    const acks = [...this.#acks].map(([stream, { sender, refused }]): Acknowledgement => {
      const { upTo, ranges } = this.cursors.get(stream)!;
      return { sender, ack: { v: 1, stream, upTo, ranges: [...ranges], refused: [...refused] } };
    });
    const refused = this.harvest.deadLetters.length;
    return { acks, fresh: this.#fresh, refused, foreign: this.#foreign, unknown: this.#unknown };
  }

  #gather(batch: ReceivedBatch, seq: number): void {
    const read = batch.records[seq - batch.seq0]!;
    const { device } = batch.sender;
    const { windows, vitals, events, deadLetters } = this.harvest;
    if ('refused' in read) {
      deadLetters.push({ device, stream: batch.stream, seq, at: batch.receivedAt, reason: read.refused, record: read.raw });
      return;
    }
    const { record } = read;
    const end = endOf(batch, record);
    if (end) this.ends.push(end);
    if (record.type === 'window') windows.push({ device, window: record, at: placeInTime(record, batch) });
    else if (record.type === 'vitals') vitals.push({ device, vitals: record, at: placeInTime(record, batch) });
    else events.push({ device, seq, event: record });
  }
}
