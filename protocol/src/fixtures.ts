import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../fixtures/', import.meta.url);

export type Fixture = { name: string; schema: string; message: unknown; at: string };

/** Golden messages for tests: `good` ones must parse, `bad` ones must be refused at the path `at`. */
export function fixtures(kind: 'good' | 'bad'): Fixture[] {
  const names = readdirSync(new URL(`${kind}/`, folder)).toSorted();
  return names.map((file) => {
    const content = JSON.parse(readFileSync(new URL(`${kind}/${file}`, folder), 'utf8')) as { message: unknown; at: string };
    const [schema = ''] = file.split('.');
    const name = file.replace(/\.json$/, '');
    return kind === 'good'
      ? { name, schema, message: content, at: '' }
      : { name, schema, message: content.message, at: content.at };
  });
}
