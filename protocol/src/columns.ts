import type { Columns } from './messages.js';

type Row = Readonly<Record<string, unknown>>;

/** Repeated keys are written once; what gzip then leaves is mostly the numbers. Records never hold null, so null means absent. */
export function toColumns(records: readonly Row[]): Columns {
  const columns = new Map<string, unknown[]>();
  for (const [i, record] of records.entries()) {
    for (const key of Object.keys(record)) {
      let values = columns.get(key);
      if (!values) columns.set(key, (values = Array.from({ length: records.length }, () => null)));
      values[i] = record[key] ?? null;
    }
  }
  return { n: records.length, columns: Object.fromEntries(columns) };
}

/** Rows as sent; each still has to be parsed, one bad row must not cost its neighbours. */
export function fromColumns({ n, columns }: Columns): Record<string, unknown>[] {
  const records = Array.from({ length: n }, (): Record<string, unknown> => ({}));
  for (const [key, values] of Object.entries(columns)) {
    // No record has such a field, and setting it would not make it one.
    if (key === '__proto__') continue;
    for (let i = 0; i < n; i++) if (values[i] !== null) records[i]![key] = values[i];
  }
  return records;
}
