import type { Columns } from './messages.js';

type Row = Readonly<Record<string, unknown>>;

/** Repeated keys are written once; what gzip then leaves is mostly the numbers. Records never hold null, so null means absent. */
export function toColumns(records: readonly Row[]): Columns {
  const columns = new Map<string, unknown[]>();
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    for (const key in record) {
      let values = columns.get(key);
      if (!values) columns.set(key, (values = Array<unknown>(records.length).fill(null)));
      values[i] = record[key] ?? null;
    }
  }
  return { n: records.length, columns: Object.fromEntries(columns) };
}

/** Rows as sent; each still has to be parsed, one bad row must not cost its neighbours. */
export function fromColumns({ n, columns }: Columns): Record<string, unknown>[] {
  // No record has a field of that name, and setting it would not make it one.
  const keys = Object.keys(columns).filter((key) => key !== '__proto__');
  const values = keys.map((key) => columns[key]!);
  const kinds: Kind[] = [];
  const records: Record<string, unknown>[] = [];
  for (let i = 0; i < n; i++) {
    const like = kinds.find(({ has }) => hasTheSame(has, values, i));
    // A copy has its room at once: one that is filled field by field is moved to a larger place again and again.
    const record = like ? { ...like.first } : {};
    for (let k = 0; k < keys.length; k++) if (values[k]![i] !== null) record[keys[k]!] = values[k]![i];
    if (!like && kinds.length < mostKinds) kinds.push({ has: values.map((column) => column[i] !== null), first: record });
    records.push(record);
  }
  return records;
}

/** Windows with and without what some boards can't tell, and vitals. To look through many more takes longer than it saves. */
const mostKinds = 8;

/** Records of the same fields. */
type Kind = Readonly<{ has: readonly boolean[]; first: Record<string, unknown> }>;

function hasTheSame(has: readonly boolean[], values: readonly (readonly unknown[])[], i: number): boolean {
  for (let k = 0; k < has.length; k++) if (has[k] !== (values[k]![i] !== null)) return false;
  return true;
}
