import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { at } from './client.js';

const own = new Set(['client.ts', 'flotilla-client.ts']);

describe('the client', () => {
  it('is how the command line calls the API: no command writes a path of its own', async () => {
    const folder = new URL('./', import.meta.url);
    const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !own.has(file));
    const texts = await Promise.all(files.map((file) => readFile(new URL(file, folder), 'utf8')));
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((_, i) => texts[i]!.includes('/api/v1'))).toEqual([]);
  });

  it('lets parts of a path hold anything', () => {
    expect(at`/api/v1/groups/${'a/b ?'}/calendar`).toBe('/api/v1/groups/a%2Fb%20%3F/calendar');
  });
});
