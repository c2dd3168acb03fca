import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { ImportEntry, issueLines } from '@flotilla/protocol';
import { isMap, isSeq, LineCounter, parseDocument } from 'yaml';
import { WrittenFileError } from './written-file.js';

type Line = { line: number; value: unknown };
export type ImportLine = { line: number; entry: ImportEntry };

/**
 * Devices of a file, with their lines: CSV whose first line names the columns (`name`, perhaps `claim`, and a label each), or YAML or
 * JSON, a list of `{ name, labels, claim }` or `devices:` with one. Every bad line is named.
 */
export async function readDevices(file: string): Promise<ImportLine[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new WrittenFileError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  });
  const lines = extname(file).toLowerCase() === '.csv' ? await fromCsv(file, text) : fromYaml(file, text);
  if (lines.length === 0) throw new WrittenFileError(`${file}: it names no device`);
  const read = lines.map(({ line, value }) => ({ line, parsed: ImportEntry.safeParse(value) }));
  const bad = read.flatMap(({ line, parsed }) =>
    parsed.success ? [] : issueLines(ImportEntry, parsed.error).map((issue) => `${file}:${line}: ${issue}`),
  );
  if (bad.length > 0) throw new WrittenFileError(bad.join('\n'));
  return read.flatMap(({ line, parsed }) => (parsed.success ? { line, entry: parsed.data } : []));
}

type Row = { info: { lines: number }; record: Record<string, string> };

/** The parser is loaded where it is needed: no other command waits for it. */
async function fromCsv(file: string, text: string): Promise<Line[]> {
  const { parse, CsvError } = await import('csv-parse/sync');
  try {
    const rows: unknown = parse(text, { columns: true, info: true, bom: true, trim: true, skip_empty_lines: true });
    return (rows as Row[]).map(({ info, record }) => ({ line: info.lines, value: entryOf(record) }));
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new WrittenFileError(`${file}: not CSV: ${cause.message}`, { cause });
  }
}

/** An empty cell is no label. */
function entryOf({ name, claim, ...labels }: Record<string, string>): unknown {
  const given = Object.entries(labels).filter(([, value]) => value !== '');
  return { name, labels: Object.fromEntries(given), ...(claim ? { claim } : {}) };
}

function fromYaml(file: string, text: string): Line[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const [error] = document.errors;
  if (error) throw new WrittenFileError(`${file}: not YAML: ${error.message.split('\n')[0]}`);
  const list = isMap(document.contents) ? document.contents.get('devices', true) : document.contents;
  if (!isSeq(list)) throw new WrittenFileError(`${file}: it must be a list of devices, or hold one under "devices"`);
  const values = list.toJS(document) as unknown[];
  return list.items.map((item, i) => ({ line: lineOf(item, lineCounter), value: values[i] }));
}

function lineOf(node: unknown, lines: LineCounter): number {
  const { range } = node as { range?: [number, number, number] | null };
  return lines.linePos(range?.[0] ?? 0).line;
}
