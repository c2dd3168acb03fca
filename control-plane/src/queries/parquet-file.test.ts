import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { expect, it } from 'vitest';
import type { Column } from './export-tables.js';
import type { ExportRow } from './export.repository.js';
import { ParquetFile } from './parquet-file.js';

const kinds = ['text', 'int', 'float', 'bool', 'time', 'ints', 'json'] as const;
const columns: Column[] = kinds.map((kind) => ({ name: `a_${kind}`, kind, sql: '' }));
/** Each column is empty in some rows, and in all rows of the page that the first one begins. */
const rowOf = (n: number): ExportRow => {
  const row = [
    `d-${n % 7}`,
    n % 2 ? n : 2n ** 40n + BigInt(n),
    n / 8,
    n % 3 === 0,
    new Date(1_700_000_000_000 + n),
    [n, 0, 2 ** 33],
    { n },
  ];
  return row.map((cell, i) => (n < 10 || (n + i) % 5 === 0 ? null : cell));
};
/** All of its whole numbers are exact as numbers, and what is not there is null. */
const plain = (cell: unknown): unknown => {
  if (Array.isArray(cell)) return cell.map(plain);
  return typeof cell === 'bigint' ? Number(cell) : (cell ?? null);
};
const read = (rows: readonly Record<string, unknown>[]) => rows.map((row) => columns.map(({ name }) => plain(row[name])));

function written(pages: readonly ExportRow[][], groupBytes: number) {
  const file = new ParquetFile(columns, groupBytes);
  const bytes = Buffer.concat([file.begin(), ...pages.flatMap((page) => [...file.add(page)]), ...file.end()]);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}

it('puts pages together until a row group is large enough', async () => {
  const pages = Array.from({ length: 30 }, (_, page) => Array.from({ length: 10 }, (__, i) => rowOf(page * 10 + i)));
  const file = written(pages, 20_000);
  const groups = parquetMetadata(file).row_groups;
  expect(groups.map(({ num_rows }) => Number(num_rows))).toEqual([110, 110, 80]);
  expect(read(await parquetReadObjects({ file }))).toEqual(pages.flat().map((row) => row.map(plain)));
  expect(groups[1]!.columns[4]!.meta_data!.statistics).toMatchObject({
    min_value: rowOf(110)[4],
    max_value: rowOf(219)[4],
    null_count: 22n,
  });
});

it('is one without rows as well', async () => {
  const file = written([], 1);
  expect([parquetMetadata(file).row_groups, await parquetReadObjects({ file })]).toEqual([[], []]);
});
