import type { SchemaElement } from 'hyparquet-writer';
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

/** A page is a row group: what is kept until the end is where each lies. */
export async function* parquet(columns: readonly Column[], pages: Pages): AsyncGenerator<Uint8Array> {
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer');
  const writer = new ByteWriter();
  const file = new ParquetWriter({ writer, schema: schemaOf(columns), createdBy: 'flotilla' });
  const taken = () => {
    const bytes = new Uint8Array(writer.buffer.slice(0, writer.index));
    writer.index = 0;
    return bytes;
  };
  for await (const page of pages) {
    if (page.length === 0) continue;
    const columnData = columns.map(({ name, kind }, i) => ({ name, data: page.map((row) => row[i]), ...keptOf(kind) }));
    await file.write({ columnData, rowGroupSize: page.length });
    yield taken();
  }
  await file.finish();
  yield taken();
}

/** What stays in memory to the end of the file is small: nobody looks for the least element of a list. */
const keptOf = (kind: Column['kind']) => ({
  offsetIndex: false,
  ...(kind === 'ints' && { statistics: false, encoding: 'PLAIN' as const }),
});

const schemaOf = (columns: readonly Column[]): SchemaElement[] => [
  { name: 'telemetry', num_children: columns.length },
  ...columns.flatMap(elementsOf),
];

function elementsOf({ name, kind }: Column): SchemaElement[] {
  const repetition_type = 'OPTIONAL';
  switch (kind) {
    case 'text':
      return [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type }];
    case 'json':
      return [{ name, type: 'BYTE_ARRAY', converted_type: 'JSON', repetition_type }];
    case 'int':
      return [{ name, type: 'INT64', repetition_type }];
    case 'float':
      return [{ name, type: 'DOUBLE', repetition_type }];
    case 'bool':
      return [{ name, type: 'BOOLEAN', repetition_type }];
    case 'time':
      return [{ name, type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', repetition_type }];
    case 'ints':
      return [
        { name, converted_type: 'LIST', num_children: 1, repetition_type },
        { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
        { name: 'element', type: 'INT64', repetition_type },
      ];
  }
}
