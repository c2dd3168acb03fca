import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';

/** One file's content, or of JSON lines one line. */
export type Example = { name: string } & ({ picture: Buffer } | { sound: Buffer } | { json: string });
/** A file to read when its turn comes: a data set has no room in memory. */
type ExampleFile = { name: string; read: () => Promise<Example[]> };

const pictures = ['.jpg', '.jpeg', '.png', '.webp'];

/** Below a folder, in the order of their names; or one file. What is of another kind is left out. */
export async function examplesIn(path: string): Promise<ExampleFile[]> {
  if (!(await stat(path)).isDirectory()) return [readerOf(path, path)].flatMap((reader) => reader ?? []);
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return names.toSorted().flatMap((file) => readerOf(file.slice(path.length + 1), file) ?? []);
}

function readerOf(name: string, file: string): ExampleFile | undefined {
  const extension = extname(file).toLowerCase();
  const kind = pictures.includes(extension) ? 'picture' : extension;
  switch (kind) {
    case 'picture':
      return { name, read: async () => [{ name, picture: await readFile(file) }] };
    case '.wav':
      return { name, read: async () => [{ name, sound: await readFile(file) }] };
    case '.json':
      return { name, read: async () => [{ name, json: await readFile(file, 'utf8') }] };
    case '.jsonl':
      return { name, read: async () => linesOf(name, await readFile(file, 'utf8')) };
    default:
      return undefined;
  }
}

const linesOf = (name: string, text: string): Example[] =>
  text.split('\n').flatMap((json, i) => (json.trim() === '' ? [] : [{ name: `${name}:${i + 1}`, json }]));
