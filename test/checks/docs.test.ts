import { existsSync, globSync, readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = dirname(dirname(findPackageJSON(import.meta.url)!));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const notOurs = /^(node_modules|dist|coverage|\..+)$/;
const filesOf = (...patterns: readonly string[]) =>
  globSync(patterns, { cwd: root, exclude: (path) => notOurs.test(path.split('/').at(-1)!) });

const texts = filesOf('**/*.md');
const guides = texts.filter((file) => file !== 'CHANGELOG.md' && !file.startsWith('docs/decisions/'));
const programs = filesOf('**/*.{ts,mjs,js,py}').filter((file) => !file.includes('.test.'));
const wordsOf = (files: readonly string[]) => new Set(files.flatMap((file) => read(file).match(/\w[\w-]*/g) ?? []));

test.each(['control-plane/src/config.ts', 'agent/src/config.ts'])('docs/settings.md has every variable of %s', (file) => {
  const variables = read(file).match(/\b(FLOTILLA_\w+|[A-Z]+_URL)\b/g)!;
  expect(variables.length).toBeGreaterThan(10);
  const settings = wordsOf(['docs/settings.md']);
  expect(variables.filter((variable) => !settings.has(variable))).toEqual([]);
});

test('variables, flags and figures that guides name are there', () => {
  const known = wordsOf(programs);
  const form = /\b(FLOTILLA_[A-Z0-9_]+|flotilla_[a-z0-9_]+)\b|\b(?:flotilla|npm (?:start|run))\b[^`\n|]*? --([a-z][a-z-]+)/g;
  const named = guides.flatMap((file) => [...read(file).matchAll(form)].map(([, word, flag]) => ({ file, word: word ?? flag! })));
  expect(named.length).toBeGreaterThan(100);
  const isKnown = (word: string) => known.has(word) || known.has(word.replace(/_(bucket|sum|count|total)$/, ''));
  expect(named.filter(({ word }) => !isKnown(word))).toEqual([]);
});

test('figures that a device serves are in a guide', () => {
  const families = filesOf('agent/src/**/*.ts').flatMap((file) => read(file).match(/(?<=')flotilla_[a-z0-9_]+(?=')/g) ?? []);
  expect(families.length).toBeGreaterThan(20);
  const said = wordsOf(guides);
  expect(families.filter((family) => !said.has(family))).toEqual([]);
});

/** As forges make them: lower case, spaces to dashes, and nothing that is neither letter, digit nor dash. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

function leadsNowhere(file: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : join(dirname(file), path);
  if (!existsSync(join(root, target))) return true;
  if (anchor === undefined) return false;
  const headings = [...read(target).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));
  return !headings.includes(anchor);
}

test('links lead somewhere', () => {
  const links = texts.flatMap((file) => [...read(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => ({ file, link: link! })));
  const inside = links.filter(({ link }) => !/^https?:/.test(link));
  expect(inside.length).toBeGreaterThan(100);
  expect(inside.filter(({ file, link }) => leadsNowhere(file, link))).toEqual([]);
});
