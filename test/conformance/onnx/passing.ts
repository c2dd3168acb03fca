import { readFile, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

// Beside the sources, whether this runs as source or from dist.
const file = join(dirname(findPackageJSON(import.meta.url)!), 'conformance/onnx/passing.txt');

/** The tests that the shipped runtime is held to. */
export const readPassing = async () => (await readFile(file, 'utf8')).split('\n').filter(Boolean);

export const writePassing = (names: readonly string[]) => writeFile(file, `${names.toSorted().join('\n')}\n`);
