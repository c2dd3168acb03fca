import type { EntityManager } from 'typeorm';

/** How a column's values travel, and what they are in the table. */
type Kind = 'text' | 'uuid' | 'int' | 'int8' | 'smallint' | 'boolean' | 'timestamptz' | 'int[]' | 'int8[]' | 'jsonb';
export type Column<T> = readonly [name: string, kind: Kind, value: (row: T) => unknown];

/**
 * One statement however many rows. Each column travels as one array in PostgreSQL's own notation: the driver would write the
 * same several times as slowly, element by element.
 */
export function insertInto<T>(table: string, columns: readonly Column<T>[], onConflict = '') {
  const names = columns.map(([name]) => name).join(', ');
  const values = columns.map(([name, kind]) => received(name, kind)).join(', ');
  const arrays = columns.map(([, kind], i) => `$${i + 1}::${travelsAs(kind)}[]`).join(', ');
  const sql = `INSERT INTO ${table} (${names}) SELECT ${values} FROM unnest(${arrays}) rows(${names}) ${onConflict}`;
  return (tx: EntityManager, rows: readonly T[]): Promise<unknown> =>
    tx.query(
      sql,
      columns.map(([, kind, value]) => arrayLiteral(rows, kind, value)),
    );
}

function arrayLiteral<T>(rows: readonly T[], kind: Kind, value: (row: T) => unknown): string {
  let literal = '{';
  let separator = '';
  for (const row of rows) {
    literal += separator + element(value(row), kind);
    separator = ',';
  }
  return `${literal}}`;
}

function element(value: unknown, kind: Kind): string {
  if (value === null || value === undefined) return 'NULL';
  switch (kind) {
    case 'text':
      return quoted(value as string);
    case 'jsonb':
      return quoted(JSON.stringify(value));
    case 'int[]':
    case 'int8[]':
      return `"{${(value as readonly number[]).join(',')}}"`;
    case 'timestamptz':
      return String((value as Date).getTime());
    case 'uuid':
    case 'int':
    case 'int8':
    case 'smallint':
    case 'boolean':
      return String(value as string | number | boolean);
  }
}

const special = /["\\]/;
const quoted = (text: string) => `"${special.test(text) ? text.replaceAll(/["\\]/g, String.raw`\$&`) : text}"`;

/** `unnest` would flatten an array of arrays, and reads no jsonb[] in this notation without a second round of quotes. */
const travelsAs = (kind: Kind) =>
  kind === 'int[]' || kind === 'int8[]' || kind === 'jsonb' ? 'text' : kind === 'timestamptz' ? 'int8' : kind;

function received(name: string, kind: Kind): string {
  if (kind === 'timestamptz') return `to_timestamp(${name} / 1000.0)`;
  return travelsAs(kind) === kind ? name : `${name}::${kind}`;
}
