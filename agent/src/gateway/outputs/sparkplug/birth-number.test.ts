import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Folders } from '../../fixtures/folders.js';
import { BirthNumber } from './birth-number.js';

const folders = new Folders();
afterEach(() => folders.clear());

it('begins with 0, goes on over restarts, and begins anew after 255', async () => {
  const folder = join(await folders.make(), 'sparkplug');
  expect([new BirthNumber(folder).next(), new BirthNumber(folder).next()]).toEqual([0, 1]);
  await writeFile(join(folder, 'birth-number'), '255');
  expect(new BirthNumber(folder).next()).toBe(0);
  await writeFile(join(folder, 'birth-number'), '');
  expect(new BirthNumber(folder).next()).toBe(1);
});

it('says why it can not be kept', async () => {
  const folder = await folders.make();
  await mkdir(join(folder, 'birth-number'));
  expect(() => new BirthNumber(folder).next()).toThrow('the number of the next birth can not be kept: EISDIR');
});
