import type { DatabaseSync } from 'node:sqlite';
import { TelemetryRecord } from '@flotilla/protocol/device';
import { keyOf, mergeRecords } from '../core/merge-windows.js';
import type { Coarsen } from './outbox-contract.js';
import { isWhole, sealOf, type Row as SealedRow } from './outbox-seal.js';

/** As long as one record may become: of a day that nobody heard of, a point each ten minutes is left. */
const longestS = 600;
/** Read at once; a small board has no room for the whole outbox. */
const chunk = 1000;

type Row = SealedRow & { id: number };
type Held = { id: number; record: TelemetryRecord; bytes: number; wasMerged: boolean };

/** Windows and vitals of the same thing, end to end, become one. */
export const coarsen: Coarsen = (database, wanted) => {
  const query = database.prepare(
    `SELECT id, class, seq, body, seal FROM record WHERE class = 'window' AND seq IS NULL AND id > ? ORDER BY id LIMIT ${chunk}`,
  );
  let freed = 0;
  let last = 0;
  while (freed < wanted) {
    const rows = query.all(last) as Row[];
    if (rows.length === 0) break;
    freed += mergeRows(database, rows);
    last = rows.at(-1)!.id;
  }
  return freed;
};

function mergeRows(database: DatabaseSync, rows: readonly Row[]): number {
  const remove = database.prepare('DELETE FROM record WHERE id = ?');
  const open = new Map<string, Held>();
  let freed = 0;
  for (const row of rows) {
    const { id, body } = row;
    // What is damaged stays as it is, to be found when it is to be sent.
    const record = isWhole(row) ? telemetryIn(body) : undefined;
    if (!record) continue;
    const held = open.get(keyOf(record));
    const merged = held && mergeRecords(held.record, record, longestS);
    const bytes = Buffer.byteLength(body);
    if (merged) {
      open.set(keyOf(record), { id: held.id, record: merged, bytes: held.bytes + bytes, wasMerged: true });
      remove.run(id);
    } else {
      freed += keep(database, held);
      open.set(keyOf(record), { id, record, bytes, wasMerged: false });
    }
  }
  for (const held of open.values()) freed += keep(database, held);
  return freed;
}

function keep(database: DatabaseSync, held: Held | undefined): number {
  if (!held?.wasMerged) return 0;
  const body = JSON.stringify(held.record);
  const seal = sealOf({ class: 'window', seq: null, body });
  database.prepare('UPDATE record SET body = ?, seal = ? WHERE id = ?').run(body, seal, held.id);
  return held.bytes - Buffer.byteLength(body);
}

/** What an older version wrote and this one can't read is left as it is. */
function telemetryIn(body: string): TelemetryRecord | undefined {
  try {
    return TelemetryRecord.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
