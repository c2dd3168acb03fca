import type { EntityManager } from 'typeorm';

/** How a column's values travel, and what they are in the table. */
type Kind = 'text' | 'uuid' | 'int' | 'int8' | 'smallint' | 'real' | 'boolean' | 'timestamptz' | 'int[]' | 'int8[]' | 'jsonb';
export type Column<T> = readonly [name: string, kind: Kind, value: (row: T) => unknown];

/**
 * One statement however many rows. Each column travels as one array in PostgreSQL's own notation: the driver would write the
 * same several times as slowly, element by element. What is JSON anyway travels as one JSON array: nothing in it is quoted again.
 */
export function insertInto<T>(
  table: string,
  columns: readonly Column<T>[],
  { onConflict = '', sql: around = same }: Around = {},
) {
  const [arrays, documents] = apart(columns);
  const all = [...arrays, ...documents];
  const names = all.map(([name]) => name).join(', ');
  const values = all.map(([name, kind]) => received(name, kind)).join(', ');
  const unnested = `unnest(${arrays.map(([, kind], i) => `$${i + 1}::${travelsAs(kind)}[]`).join(', ')})`;
  const listed = documents.map((_, i) => `jsonb_array_elements($${arrays.length + i + 1}::jsonb)`);
  const rows = `ROWS FROM (${[unnested, ...listed].join(', ')})`;
  const sql = around(`INSERT INTO ${table} (${names}) SELECT ${values} FROM ${rows} rows(${names}) ${onConflict}`);
  return <R = unknown>(tx: EntityManager, items: readonly T[]): Promise<R[]> =>
    tx.query<R[]>(sql, [
      ...arrays.map(([, kind, value]) => arrayLiteral(items, kind, value)),
      ...documents.map(([, , value]) => JSON.stringify(items.map(value))),
    ]);
}

/** `sql`: what the statement is a part of. */
type Around = { onConflict?: string; sql?: (insert: string) => string };
const same = (insert: string) => insert;

type ArrayKind = Exclude<Kind, 'jsonb'>;
type ArrayColumn<T> = readonly [name: string, kind: ArrayKind, value: (row: T) => unknown];

function apart<T>(columns: readonly Column<T>[]): [arrays: ArrayColumn<T>[], documents: Column<T>[]] {
  const arrays = columns.flatMap(([name, kind, value]): ArrayColumn<T>[] => (kind === 'jsonb' ? [] : [[name, kind, value]]));
  return [arrays, columns.filter(([, kind]) => kind === 'jsonb')];
}

function arrayLiteral<T>(rows: readonly T[], kind: ArrayKind, value: (row: T) => unknown): string {
  const values = kind === 'timestamptz' ? rows.map((row) => (value(row) as Date | null)?.getTime()) : rows.map(value);
  return kind === 'int[]' || kind === 'int8[]' ? arrayOfLists(values) : arrayOf(values);
}

/** Escapes of JSON that PostgreSQL reads as the letter itself. */
const onlyJson = /\\[bfnrtu]/;

/**
 * PostgreSQL's notation of an array (documentation, 8.15.6). But for its brackets and for escaped control characters JSON is the same,
 * and many times as fast as anything put together here.
 */
export function arrayOf(values: readonly unknown[]): string {
  const json = JSON.stringify(values);
  return `{${onlyJson.test(json) ? values.map(quoted).join(',') : json.slice(1, -1)}}`;
}

/** Lists of whole numbers, each as the text of an array of its own. */
export function arrayOfLists(lists: readonly unknown[]): string {
  const json = JSON.stringify(lists);
  if (lists.length === 0 || json.includes('null')) return arrayOf(lists.map((list) => (list ? arrayOf(list as number[]) : null)));
  return `{"{${json.slice(2, -2).replaceAll(/\],\[/g, '}","{')}}"}`;
}

const quoted = (value: unknown) =>
  value === null || value === undefined ? 'NULL' : `"${String(value as string | number).replaceAll(/["\\]/g, String.raw`\$&`)}"`;

/** `unnest` would flatten an array of arrays. */
const travelsAs = (kind: Kind) => (kind === 'int[]' || kind === 'int8[]' ? 'text' : kind === 'timestamptz' ? 'int8' : kind);

function received(name: string, kind: Kind): string {
  // Not as a decimal number, which takes longer than all the rest of the column; to the millisecond it is the same.
  if (kind === 'timestamptz') return `to_timestamp(${name}::float8 / 1000)`;
  if (kind === 'jsonb') return `nullif(${name}, 'null')`;
  return travelsAs(kind) === kind ? name : `${name}::${kind}`;
}
