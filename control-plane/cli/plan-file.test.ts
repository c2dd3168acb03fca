import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPlan } from './plan-file.js';

const guide = fileURLToPath(new URL('../../docs/rollouts.md', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-plans-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a plan of the guide', () => {
  it('can be read, each of the three', async () => {
    const texts = (await readFile(guide, 'utf8')).matchAll(/^```yaml\n(apiVersion[^`]+)```/gm);
    const plans = await Promise.all(
      [...texts].map(async ([, text], i) => {
        const file = join(folder, `${i}.yaml`);
        await writeFile(file, text!);
        return readPlan(file);
      }),
    );
    expect(plans.map(({ name, stages }) => [name, stages.length])).toEqual([
      ['classifier-cautious', 3],
      ['classifier-fast', 3],
      ['classifier-emergency', 2],
    ]);
  });
});
