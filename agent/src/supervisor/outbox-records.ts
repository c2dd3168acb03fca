import type { DatabaseSync } from 'node:sqlite';
import type { Coarsen, NewRecord, OutboxLimits } from './outbox-contract.js';
import { sealOf } from './outbox-seal.js';

/** Statements on the outbox's tables; the caller holds the transaction. What is removed is told in bytes. */

const maxRecordBytes = 128 * 1024;

/** Windows go before events, and what was never sent before what leaves a gap that the server must be told of. */
const dropOrder = [
  `class = 'window' AND seq IS NULL`,
  `class = 'window' AND seq IS NOT NULL`,
  `class = 'event' AND seq IS NULL`,
  `class = 'event' AND seq IS NOT NULL`,
];

interface Meta {
  readonly stream: string;
  readonly next: number;
  readonly dropped: number;
  readonly lifetime: number;
}
export const readMeta = (database: DatabaseSync) =>
  database.prepare('SELECT stream, next, dropped, lifetime FROM meta').get() as unknown as Meta;

/** The one value of the one row; null where there is none. */
export const single = (database: DatabaseSync, query: string, ...values: number[]): unknown =>
  Object.values(database.prepare(query).get(...values) ?? { nothing: null })[0];

export const sumOfBytes = (database: DatabaseSync, which: string, ...values: number[]) =>
  Number(single(database, `SELECT coalesce(sum(octet_length(body)), 0) FROM record WHERE ${which}`, ...values));

/** Gives the bytes added. A record that no message could carry is dropped here. */
export function insertRecords(database: DatabaseSync, records: readonly NewRecord[], lifetime: number): number {
  const insert = database.prepare('INSERT INTO record (class, added, body, seal) VALUES (?, ?, ?, ?)');
  const fit = records.filter((record) => Buffer.byteLength(record.body) <= maxRecordBytes);
  for (const record of fit) insert.run(record.class, lifetime, record.body, sealOf({ ...record, seq: null }));
  countDropped(database, records.length - fit.length);
  return fit.reduce((sum, record) => sum + Buffer.byteLength(record.body), 0);
}

export function removeRecords(database: DatabaseSync, which: string, ...values: number[]): number {
  const freed = sumOfBytes(database, which, ...values);
  database.prepare(`DELETE FROM record WHERE ${which}`).run(...values);
  return freed;
}

/** Removed without an acknowledgement, and counted. */
export function dropRecords(database: DatabaseSync, which: string, ...values: number[]): number {
  countDropped(database, Number(single(database, `SELECT count(*) FROM record WHERE ${which}`, ...values)));
  return removeRecords(database, which, ...values);
}

/** Drops what is too old. */
export function keepAge(database: DatabaseSync, { maxAgeS }: OutboxLimits, lifetime: number): number {
  const tooOld = lifetime - maxAgeS;
  const oldest = single(database, 'SELECT added FROM record ORDER BY id LIMIT 1');
  return oldest !== null && Number(oldest) < tooOld ? dropRecords(database, 'added < ?', tooOld) : 0;
}

/** Makes what is too much less: telemetry that was never sent grows coarser before anything is dropped. */
export function keepSize(database: DatabaseSync, bytes: number, { maxBytes }: OutboxLimits, coarsen: Coarsen): number {
  if (bytes <= maxBytes) return 0;
  let freed = coarsen(database, Math.max(bytes - maxBytes, maxBytes / 50));
  for (const which of dropOrder) freed += dropOldest(database, which, bytes - freed - maxBytes);
  return freed;
}

/** As many of the oldest as it takes to free that many bytes. */
function dropOldest(database: DatabaseSync, which: string, excess: number): number {
  if (excess <= 0) return 0;
  let found = 0;
  let last = 0;
  for (const row of database.prepare(`SELECT id, octet_length(body) AS bytes FROM record WHERE ${which} ORDER BY id`).iterate()) {
    if (found >= excess) break;
    found += Number(row['bytes']);
    last = Number(row['id']);
  }
  return dropRecords(database, `${which} AND id <= ?`, last);
}

function countDropped(database: DatabaseSync, count: number): void {
  if (count > 0) database.prepare('UPDATE meta SET dropped = dropped + ?').run(count);
}
