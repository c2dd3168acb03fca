import type { DeviceId, SeqRange, StreamId, TenantId } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { advance, type StreamCursor } from '../core/stream-cursor.js';
import { arrayOf } from '../telemetry/unnest.js';

export type StreamClaim = Readonly<{ tenant: TenantId; device: DeviceId; stream: StreamId }>;
/** `foreign`: the stream belongs to another device, or to another key of this one (a cloned disk). `unknown`: no such active device. */
export type Claimed = { cursor: StreamCursor } | { refused: 'foreign' | 'unknown' };

/** The device holds nothing below `base` any more: what of that never came is lost. */
export type StreamBase = StreamClaim & Readonly<{ base: number }>;

type LockedRow = {
  stream: StreamId;
  device: DeviceId;
  mine: boolean;
  upTo: string;
  ranges: SeqRange[];
  next: string;
  lost: string;
  refused: string;
};

/** Rows of device_stream: where each outbox stands. */
@Injectable()
export class Streams {
  /** Locks the rows in device order (replicas that meet wait, never deadlock), making those that are new. */
  async lock(tx: EntityManager, claims: readonly StreamClaim[]): Promise<(claim: StreamClaim) => Claimed> {
    const columns = [claims.map((c) => c.stream), claims.map((c) => c.device), claims.map((c) => c.tenant)].map(arrayOf);
    await tx.query(
      `INSERT INTO device_stream (stream, device, key_thumbprint)
       SELECT DISTINCT ON (c.stream) c.stream, d.id, d.key_thumbprint
       FROM unnest($1::text[], $2::text[], $3::text[]) c(stream, device, tenant)
       JOIN device d ON d.id = c.device AND d.tenant = c.tenant AND d.status = 'active'
       WHERE NOT EXISTS (SELECT 1 FROM device_stream s WHERE s.stream = c.stream)
       ORDER BY c.stream, d.id ON CONFLICT (stream) DO NOTHING`,
      columns,
    );
    const rows = await tx.query<LockedRow[]>(
      `SELECT s.stream, d.id device, s.device = d.id AND s.key_thumbprint = d.key_thumbprint mine,
              s.up_to "upTo", s.ranges, s.next, s.lost, s.refused
       FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) c(stream, device, tenant)) c
       JOIN device d ON d.id = c.device AND d.tenant = c.tenant AND d.status = 'active'
       JOIN device_stream s ON s.stream = c.stream
       ORDER BY s.device, s.stream FOR UPDATE OF s`,
      columns,
    );
    const found = new Map(rows.map((row) => [keyOf(row), row]));
    return (claim) => {
      const row = found.get(keyOf(claim));
      if (!row) return { refused: 'unknown' };
      return row.mine ? { cursor: cursorOf(row) } : { refused: 'foreign' };
    };
  }

  /**
   * Told apart from any record. Nearly always nothing is new in it, which is seen without a lock. The transaction is its own:
   * whoever has locked a device must not wait here for one who stores what it sent.
   */
  async resolveBelow(db: DataSource, told: readonly StreamBase[]): Promise<void> {
    const behind = await db.query<{ stream: StreamId }[]>(
      `SELECT b.stream FROM unnest($1::text[], $2::int8[]) b(stream, base)
       LEFT JOIN device_stream s ON s.stream = b.stream WHERE coalesce(s.up_to, 0) < b.base`,
      [told.map(({ stream }) => stream), told.map(({ base }) => base)],
    );
    if (behind.length === 0) return;
    const streams = new Set(behind.map(({ stream }) => stream));
    const news = told.filter(({ stream }) => streams.has(stream));
    await db.transaction(async (tx) => {
      const claimed = await this.lock(tx, news);
      await this.save(tx, new Map(news.flatMap((each) => resolvedBelow(each, claimed(each)))));
    });
  }

  async save(tx: EntityManager, cursors: ReadonlyMap<StreamId, StreamCursor>): Promise<void> {
    const all = [...cursors.values()];
    await tx.query(
      `UPDATE device_stream s SET up_to = c.up_to, ranges = c.ranges::jsonb, next = c.next, lost = c.lost, refused = c.refused
       FROM unnest($1::text[], $2::int8[], $3::text[], $4::int8[], $5::int8[], $6::int8[]) c(stream, up_to, ranges, next, lost, refused)
       WHERE s.stream = c.stream`,
      [
        [...cursors.keys()],
        all.map((c) => c.upTo),
        all.map((c) => JSON.stringify(c.ranges)),
        all.map((c) => c.next),
        all.map((c) => c.lost),
        all.map((c) => c.refused),
      ].map(arrayOf),
    );
  }
}

function resolvedBelow({ stream, base }: StreamBase, claimed: Claimed): [StreamId, StreamCursor][] {
  if ('refused' in claimed) return [];
  return [[stream, advance(claimed.cursor, { base, seq0: base, n: 0, refusedSeqs: [] }).cursor]];
}

const keyOf = ({ device, stream }: Pick<StreamClaim, 'device' | 'stream'>) => `${device} ${stream}`;
const cursorOf = (row: LockedRow): StreamCursor => ({
  upTo: Number(row.upTo),
  ranges: row.ranges,
  next: Number(row.next),
  lost: Number(row.lost),
  refused: Number(row.refused),
});
