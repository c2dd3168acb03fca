import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package's own folder: the nearest one above this file that holds package.json, the same from src/ and from dist/. */
function find(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : find(dirname(from));
}
export const packageFolder = find(import.meta.dirname);

const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
export { version };
