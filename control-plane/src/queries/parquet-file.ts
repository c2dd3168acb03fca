import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { Column } from './export-tables.js';
import type { ExportRow } from './export.repository.js';
import { encodings, schemaOf } from './parquet-schema.js';

type Group = ParquetWriter['row_groups'][number];
type Chunk = Group['columns'][number];
type Described = NonNullable<Chunk['meta_data']>;
/** A column of the row group that is being made: its pages one after another, and what is said of them. */
type Pages = Readonly<{ parts: Uint8Array[]; said: Described }>;

/** A description of a column chunk stays in memory to the end of the file: row groups are large, so that they are few. */
const largeBytes = 4 * 2 ** 20;
/** What a part takes besides its bytes. */
const partBytes = 200;

/** A Parquet file made of pages of rows. Pages are encoded as they come, and wait as bytes for their row group to be large enough. */
export class ParquetFile {
  readonly #columns: readonly Column[];
  readonly #groupBytes: number;
  readonly #pages = new ByteWriter();
  readonly #encoder: ParquetWriter;
  readonly #groups: Group[] = [];
  readonly #group: Pages[] = [];
  #rows = 0;
  #waiting = 0;
  /** Where in all that was ever encoded the present page begins. */
  #base = 0;
  /** After the four bytes with which a file begins. */
  #offset = 4;

  constructor(columns: readonly Column[], groupBytes = largeBytes) {
    this.#columns = columns;
    this.#groupBytes = groupBytes;
    this.#encoder = new ParquetWriter({ writer: this.#pages, schema: schemaOf(columns) });
    this.#pages.index = 0;
  }

  begin(): Uint8Array {
    return new TextEncoder().encode('PAR1');
  }

  /** The bytes of a row group, a column at a time, when it is large enough. */
  *add(page: readonly ExportRow[]): Generator<Uint8Array> {
    for (const [i, said] of this.#encoded(page).entries()) {
      const column = this.#group[i];
      const [from, bytes] = [Number(said.data_page_offset) - this.#base, Number(said.total_compressed_size)];
      const part = new Uint8Array(this.#pages.buffer.slice(from, from + bytes));
      if (column) column.parts.push(part);
      this.#group[i] = { parts: column?.parts ?? [part], said: column ? together(column.said, said) : said };
      this.#waiting += bytes + partBytes;
    }
    this.#pages.index = 0;
    this.#rows += page.length;
    if (this.#waiting >= this.#groupBytes) yield* this.#ended();
  }

  /** The last row group, and what the file says of itself at its end. */
  *end(): Generator<Uint8Array> {
    if (this.#rows > 0) yield* this.#ended();
    const writer = new ByteWriter();
    const file = new ParquetWriter({ writer, schema: schemaOf(this.#columns), createdBy: 'flotilla' });
    writer.index = 0;
    file.row_groups = this.#groups;
    file.num_rows = this.#groups.reduce((rows, group) => rows + group.num_rows, 0n);
    void file.finish();
    yield writer.getBytes();
  }

  #encoded(page: readonly ExportRow[]): Described[] {
    const columnData = this.#columns.map(({ name, kind }, i) => ({
      name,
      data: page.map((row) => row[i]),
      encoding: encodings[kind],
      offsetIndex: false,
      // Rows come by time; nobody looks for the least element of a list.
      statistics: kind === 'time',
    }));
    this.#base = this.#pages.offset;
    void this.#encoder.write({ columnData, rowGroupSize: page.length });
    this.#encoder.pendingIndexes.length = 0;
    return this.#encoder.row_groups.pop()!.columns.map(({ meta_data }) => meta_data!);
  }

  *#ended(): Generator<Uint8Array> {
    const columns: Chunk[] = [];
    const begun = this.#offset;
    // A column that is taken need not wait for the others.
    for (let next = this.#group.shift(); next; next = this.#group.shift()) {
      const { parts, said } = next;
      columns.push({ file_offset: BigInt(this.#offset), meta_data: { ...said, data_page_offset: BigInt(this.#offset) } });
      const bytes = Buffer.concat(parts);
      this.#offset += bytes.length;
      yield bytes;
    }
    this.#groups.push({
      columns,
      num_rows: BigInt(this.#rows),
      total_byte_size: columns.reduce((sum, { meta_data }) => sum + meta_data!.total_uncompressed_size, 0n),
      total_compressed_size: BigInt(this.#offset - begun),
    });
    [this.#rows, this.#waiting] = [0, 0];
  }
}

/** Of pages that follow one another in a column chunk. */
const together = (a: Described, b: Described): Described => ({
  ...a,
  num_values: a.num_values + b.num_values,
  total_compressed_size: a.total_compressed_size + b.total_compressed_size,
  total_uncompressed_size: a.total_uncompressed_size + b.total_uncompressed_size,
  ...(a.statistics && b.statistics && { statistics: spanning(a.statistics, b.statistics) }),
});

type Bounds = NonNullable<Described['statistics']>;
const spanning = (a: Bounds, b: Bounds): Bounds => ({
  null_count: (a.null_count ?? 0n) + (b.null_count ?? 0n),
  ...bound('min_value', a, b, (x, y) => x < y),
  ...bound('max_value', a, b, (x, y) => x > y),
});

function bound<K extends 'min_value' | 'max_value'>(key: K, a: Bounds, b: Bounds, beyond: (x: Bound, y: Bound) => boolean) {
  const [x, y] = [a[key], b[key]];
  const value = x === undefined || (y !== undefined && beyond(y, x)) ? y : x;
  return value === undefined ? {} : { [key]: value };
}
type Bound = NonNullable<Bounds['min_value']>;
