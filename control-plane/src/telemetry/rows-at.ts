import type { EntityManager } from 'typeorm';
import type { RollupKey } from './rollup-levels.js';

type Rows = Readonly<{
  table: string;
  /** Columns of its key, but for the bucket, which is the first. */
  key: readonly string[];
  /** What is asked of its row `r`. */
  columns: string;
}>;

/** The rows of a rollup that are there, of those with these keys. */
export async function rowsAt<Row>(
  tx: EntityManager,
  { table, key, columns }: Rows,
  keys: readonly RollupKey[],
): Promise<(Row & { bucket: number; key: string[] })[]> {
  if (keys.length === 0) return [];
  const names = ['bucket', ...key];
  const asked = names.map((name, i) => (i === 0 ? `to_timestamp(k.bucket::float8 / 1000) bucket` : `k.${name}`)).join(', ');
  const arrays = names.map((_, i) => `$${i + 1}::${i === 0 ? 'int8' : 'text'}[]`).join(', ');
  return tx.query(
    `SELECT date_part('epoch', r.bucket) * 1000 bucket, ARRAY[${key.map((name) => `r.${name}`).join(', ')}] key, ${columns}
     FROM ${table} r JOIN (SELECT ${asked} FROM unnest(${arrays}) k(${names.join(', ')})) k USING (${names.join(', ')})`,
    names.map((_, i) => keys.map((each) => each[i]!)),
  );
}
