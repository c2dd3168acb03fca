import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { HeldRecords, RecordClass } from './outbox-contract.js';

/**
 * SQLite keeps no checksums of its tables: a bit that flips in a record's text or in the next number goes unnoticed, and would
 * count something that never was, or give a number twice. Each row carries one.
 */
export type Row = { readonly class: RecordClass; readonly seq: number | null; readonly body: string; readonly seal: number };

export const sealOf = ({ class: recordClass, seq, body }: Omit<Row, 'seal'>): number =>
  crc32(`${recordClass} ${seq ?? ''} ${body}`);
export const isWhole = (row: Row): boolean => row.seal === sealOf(row);

type MetaRow = { stream: string; thumbprint: string; next: number; dropped: number; lifetime: number; seal: number };
const sealOfMeta = ({ stream, thumbprint, next, dropped, lifetime }: Omit<MetaRow, 'seal'>): number =>
  crc32(`${stream} ${thumbprint} ${next} ${dropped} ${lifetime}`);

const metaOf = (database: DatabaseSync) => database.prepare('SELECT * FROM meta').get() as unknown as MetaRow | undefined;

/** After whatever a transaction has changed of it. */
export function sealMeta(database: DatabaseSync): void {
  const meta = metaOf(database);
  if (meta) database.prepare('UPDATE meta SET seal = ?').run(sealOfMeta(meta));
}

/** A sentence on the first thing that is not as it was written; undefined where all is. */
export function findBrokenSeal(database: DatabaseSync): string | undefined {
  const meta = metaOf(database);
  if (!meta || meta.seal !== sealOfMeta(meta)) return 'the number of its next record is not what was written';
  for (const row of database.prepare('SELECT id, class, seq, body, seal FROM record').iterate() as Iterable<Row & { id: number }>)
    if (!isWhole(row)) return `record ${row.id} is not what was written`;
  return undefined;
}

/** What a file says of itself that its seals vouch for, as far as it can be read, from both ends. */
export function survey(database: DatabaseSync): HeldRecords {
  const meta = attempted(() => metaOf(database));
  const isSure = meta !== undefined && meta.seal === sealOfMeta(meta);
  const found = new Map<number, boolean>();
  for (const order of ['ASC', 'DESC'])
    attempted(() => {
      const rows = database.prepare(`SELECT id, class, seq, body, seal FROM record ORDER BY id ${order}`).iterate();
      for (const row of rows as Iterable<Row & { id: number }>) {
        if (found.has(row.id)) return;
        if (isWhole(row)) found.set(row.id, row.seq !== null);
      }
    });
  const sent = [...found.values()].filter(Boolean).length;
  const held = { sent, unsent: found.size - sent };
  return isSure ? { ...held, stream: meta.stream, next: meta.next, dropped: meta.dropped } : held;
}

/** Undefined where the file ends, or is damaged, before it is done. */
function attempted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // what was wrong with the file is told where it was found
  }
}
