import type { Column } from './export-tables.js';
import type { Cell, ExportRow } from './export.repository.js';

type Pages = AsyncIterable<ExportRow[]>;
export type Format = (columns: readonly Column[], pages: Pages) => AsyncGenerator<Uint8Array | string>;

/** Short texts are gone with the next small collection of garbage; a page's whole text would wait for a large one. */
const linesAtOnce = 100;

/** Lists and what a device sent are JSON in their cell. */
export async function* csv(columns: readonly Column[], pages: Pages): AsyncGenerator<string> {
  const { stringify } = await import('csv-stringify/sync');
  yield stringify([columns.map(({ name }) => name)]);
  for await (const page of pages) {
    for (let from = 0; from < page.length; from += linesAtOnce)
      yield stringify(page.slice(from, from + linesAtOnce).map((row) => row.map(csvCell)));
  }
}

/** A spreadsheet would compute what devices and labels say, where it begins like a formula. */
const formula = /^[=+\-@\t\r]/;
function csvCell(cell: Cell): string | number | bigint | null {
  if (cell === null || typeof cell === 'number' || typeof cell === 'bigint') return cell;
  if (typeof cell === 'string') return formula.test(cell) ? `'${cell}` : cell;
  if (cell instanceof Date) return cell.toISOString();
  if (typeof cell === 'boolean') return String(cell);
  return Array.isArray(cell) ? `[${cell.join(',')}]` : JSON.stringify(cell);
}

/** Nothing is sent until a row group is large enough: its columns follow one another. */
export async function* parquet(columns: readonly Column[], pages: Pages): AsyncGenerator<Uint8Array> {
  const { ParquetFile } = await import('./parquet-file.js');
  const file = new ParquetFile(columns);
  yield file.begin();
  for await (const page of pages) if (page.length > 0) yield* file.add(page);
  yield* file.end();
}
