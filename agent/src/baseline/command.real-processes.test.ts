import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Baseline } from '@flotilla/protocol/device';
import { afterEach, beforeEach, expect, test } from 'vitest';

const repository = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const release = repository('test/models/releases/1.0.0');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-baseline-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As a user starts it. */
async function baselineOf(...args: string[]) {
  const child = spawn(process.execPath, [repository('agent/bin/flotilla-agent.js'), 'baseline', ...args]);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

test('pictures make a baseline that goes with the release', async () => {
  for (const file of ['release.yaml', 'labels.txt', 'model.int8.onnx']) await copyFile(join(release, file), join(folder, file));
  const { code, said } = await baselineOf(folder, repository('test/models/photographs'));
  expect([code, said]).toEqual([0, expect.stringContaining('Add "baseline: baseline.json" to release.yaml')]);
  const baseline = Baseline.parse(JSON.parse(await readFile(join(folder, 'baseline.json'), 'utf8')));
  expect(baseline.inputs.map(({ statistic }) => statistic)).toContain('detail');
  expect(baseline.score!.counts.reduce((sum, count) => sum + count, 0)).toBe(baseline.inferences);
});

test.each<[string, (...of: string[]) => string[], number, string]>([
  ['a variant that is not there', (at) => [release, at!, '--variant', 'no.onnx'], 78, 'it has model.int8.onnx'],
  ['examples that are not there', (at) => [release, join(at!, 'gone')], 78, 'There is no '],
  ['no release', (at) => [at!, at!], 78, 'release.yaml cannot be read'],
])('%s is said', async (_what, args, code, why) => {
  await writeFile(join(folder, 'note.txt'), 'nothing');
  expect(await baselineOf(...args(folder))).toEqual({ code, said: expect.stringContaining(why) });
});

test('examples of no kind that is read are said', async () => {
  await writeFile(join(folder, 'note.txt'), 'nothing');
  const { code, said } = await baselineOf(release, folder, '--out', join(folder, 'b.json'));
  expect([code, said]).toEqual([78, expect.stringContaining('could be used: pictures, WAV, JSON and JSON lines')]);
});
