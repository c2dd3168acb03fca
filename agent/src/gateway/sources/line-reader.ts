import type { LinesSource } from '@flotilla/protocol/device';

export type Value = number | string | boolean | null;
/** One line's values, by column. */
export type Row = Record<string, Value>;
type Format = Pick<LinesSource, 'format' | 'columns' | 'separator' | 'decimal'>;

/** A line that is not as the others. */
export class LineError extends Error {
  override readonly name = 'LineError';
}

/** How sensors write that there is no value. */
const missing = /^(|null|none|n\/?a|[+-]?(nan|inf(inity)?))$/i;
const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const longestQuote = 60;

/** Lines of CSV, or of a JSON object each. */
export class LineReader {
  #names: readonly (string | null)[] | undefined;

  constructor(private readonly format: Format) {
    this.begin();
  }

  /** A new file or connection has a header of its own. */
  begin(): void {
    this.#names = this.format.columns;
  }

  /** Undefined for a header. Throws LineError. */
  read(line: string): Row | undefined {
    return this.format.format === 'json' ? this.#json(line) : this.#csv(line);
  }

  #csv(line: string): Row | undefined {
    const fields = fieldsOf(line, this.format.separator);
    if (!this.#names) {
      this.#names = header(fields, line);
      return undefined;
    }
    const names = this.#names;
    if (fields.length !== names.length)
      throw new LineError(`it has ${fields.length} fields, and there are ${names.length} columns: ${quoted(line)}`);
    if (isHeader(fields, names)) return undefined;
    return Object.fromEntries(names.flatMap((name, i) => (name === null ? [] : [[name, this.#value(fields[i]!)]])));
  }

  #value(field: string): Value {
    if (missing.test(field)) return null;
    const plain = this.format.decimal === ',' ? field.replace(',', '.') : field;
    return number.test(plain) ? Number(plain) : field;
  }

  #json(line: string): Row {
    const row = jsonOf(line);
    const names = this.#names;
    if (!names) return row;
    return Object.fromEntries(names.flatMap((name) => (name === null ? [] : [[name, row[name] ?? null]])));
  }
}

/** Of a row that is a sample of a signal. Throws LineError. */
export function numbersOf(row: Row): number[] {
  return Object.entries(row).map(([name, value]) => {
    if (typeof value === 'number') return value;
    throw new LineError(`${name} is ${value === null ? 'missing' : quoted(String(value))}: a signal has a number in each column`);
  });
}

function header(fields: readonly string[], line: string): string[] {
  const twice = fields.find((name, i) => fields.indexOf(name) !== i);
  if (fields.some((name) => name === '' || number.test(name)) || twice !== undefined)
    throw new LineError(`the first line must name the columns, each another (or name them in "columns"), and is ${quoted(line)}`);
  return [...fields];
}

/** Written again when the sensor starts, or above a file whose columns are named by configuration. */
function isHeader(fields: readonly string[], names: readonly (string | null)[]): boolean {
  return (
    names.every((name, i) => name === null || name === fields[i]) && names.some((name) => name !== null && !number.test(name))
  );
}

function jsonOf(line: string): Row {
  let written: unknown;
  try {
    written = JSON.parse(line);
  } catch (cause) {
    throw new LineError(`it is no JSON: ${quoted(line)}`, { cause });
  }
  if (typeof written !== 'object' || written === null || Array.isArray(written))
    throw new LineError(`it is no JSON object: ${quoted(line)}`);
  for (const [name, value] of Object.entries(written))
    if (typeof value === 'object' && value !== null) throw new LineError(`"${name}" is no single value: ${quoted(line)}`);
  return written as Row;
}

/** RFC 4180 within one line: a quoted field may hold the separator, and a quote as two. */
function fieldsOf(line: string, separator: string): string[] {
  if (separator === ' ') return line.trim().split(/[ \t]+/);
  if (!line.includes('"')) return line.split(separator).map((field) => field.trim());
  const fields: string[] = [];
  for (let at = 0; at <= line.length;) {
    const { field, end } = fieldAt(line, at, separator);
    fields.push(field);
    at = end + 1;
  }
  return fields;
}

/** `end`: of its separator, or of the line. */
function fieldAt(line: string, at: number, separator: string): { field: string; end: number } {
  const found = line.indexOf(separator, at);
  const end = found < 0 ? line.length : found;
  const quote = /^\s*"((?:[^"]|"")*)"\s*/.exec(line.slice(at));
  if (!quote) return { field: line.slice(at, end).trim(), end };
  const after = at + quote[0].length;
  if (after < line.length && line[after] !== separator) throw new LineError(`a quote ends within a field: ${quoted(line)}`);
  return { field: quote[1]!.replaceAll('""', '"'), end: after };
}

function quoted(line: string): string {
  return JSON.stringify(line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line);
}
