import type { Columns } from './messages.js';

type Row = Readonly<Record<string, unknown>>;

/** Repeated keys are written once; what gzip then leaves is mostly the numbers. Records never hold null, so null means absent. */
export function toColumns(records: readonly Row[]): Columns {
  const keys = new Set(records.flatMap((record) => Object.keys(record)));
  const columns: Record<string, unknown[]> = {};
  for (const key of keys) columns[key] = records.map((record) => record[key] ?? null);
  return { n: records.length, columns };
}

/** Rows as sent; each still has to be parsed, one bad row must not cost its neighbours. */
export function fromColumns({ n, columns }: Columns): Record<string, unknown>[] {
  const entries = Object.entries(columns);
  return Array.from({ length: n }, (_, i) =>
    Object.fromEntries(entries.flatMap(([key, values]) => (values[i] === null ? [] : [[key, values[i]] as const]))),
  );
}
