import { mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DeploymentId, Digest } from '@flotilla/protocol/device';
import { afterEach, expect, test } from 'vitest';
import { aLog, eventually } from '../../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { JsonLines } from './json-lines.js';
import type { Prediction } from '../../prediction.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());

const aPrediction = (seq: number): Prediction => ({
  id: `8f14e45f-0badcafe-${seq}`,
  at: '2026-11-22T14:00:00.000Z',
  seq,
  release: 'colours@1.0.0',
  digest: Digest.parse('a'.repeat(64)),
  deployment: DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10'),
  source: 'red.png',
  top: [{ label: 'red', index: 0, score: 0.9 }],
  computeMs: 1,
  totalMs: 2,
});
const lineBytes = JSON.stringify(aPrediction(1)).length + 1;
const read = async (file: string) =>
  (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Prediction);

test('each prediction is a line, in order, in a folder that is made when needed', async () => {
  const file = join(await workshop.folder(), 'predictions', 'inspection.jsonl');
  const log = new JsonLines({ what: 'predictions', file, maxBytes: 1e6, keep: 1 }, aLog());
  for (let seq = 0; seq < 100; seq++) void log.append(aPrediction(seq));
  await log.flush();
  expect(await read(file)).toEqual(Array.from({ length: 100 }, (_, seq) => aPrediction(seq)));
});

test('a full file is rotated, and only as many old ones are kept as asked for', async () => {
  const folder = await workshop.folder();
  const file = join(folder, 'p.jsonl');
  const log = new JsonLines({ what: 'predictions', file, maxBytes: 3 * lineBytes, keep: 2 }, aLog());
  for (let seq = 1; seq <= 8; seq++) {
    void log.append(aPrediction(seq));
    await log.flush();
  }
  void log.append(aPrediction(9));
  void log.append(aPrediction(9));
  await log.flush();
  expect((await readdir(folder)).toSorted()).toEqual(['p.jsonl', 'p.jsonl.1', 'p.jsonl.2']);
  expect((await read(`${file}.2`)).map(({ seq }) => seq)).toEqual([4, 5, 6]);
  for (const name of await readdir(folder)) expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(3 * lineBytes);
});

test('with nothing to keep the file begins anew', async () => {
  const folder = await workshop.folder();
  const log = new JsonLines({ what: 'predictions', file: join(folder, 'p.jsonl'), maxBytes: lineBytes, keep: 0 }, aLog());
  for (let seq = 1; seq <= 3; seq++) {
    void log.append(aPrediction(seq));
    await log.flush();
  }
  expect(await readdir(folder)).toEqual(['p.jsonl']);
  expect((await read(join(folder, 'p.jsonl'))).map(({ seq }) => seq)).toEqual([3]);
});

test('a file that can not be written is told once, the lines are counted, and writing goes on when it can', async () => {
  const folder = await workshop.folder();
  const file = join(folder, 'p.jsonl');
  await mkdir(file);
  const logger = aLog();
  const log = new JsonLines({ what: 'predictions', file, maxBytes: 1e6, keep: 1 }, logger);
  for (let seq = 0; seq < 3; seq++) {
    void log.append(aPrediction(seq));
    await log.flush();
  }
  expect(log.lost).toBe(3);
  expect(logger.lines).toMatchObject([{ level: 'error', fields: { file, reason: expect.stringContaining('EISDIR') } }]);
  await rm(file, { recursive: true });
  void log.append(aPrediction(4));
  await eventually(async () => (await read(file)).length === 1);
  expect(logger.lines.at(-1)).toMatchObject({ level: 'info', fields: { lost: 3 } });
});

test('who waits for a line hears when it is in the file, and that it could not be written', async () => {
  const folder = await workshop.folder();
  const file = join(folder, 'p.jsonl');
  const log = new JsonLines({ what: 'feedback', file, maxBytes: 1e6, keep: 1, durable: true }, aLog());
  for (let seq = 0; seq < 3; seq++) {
    expect(await log.append(aPrediction(seq))).toBe(true);
    expect(await read(file)).toHaveLength(seq + 1);
  }
  await rm(file);
  await mkdir(file);
  expect(await log.append(aPrediction(4))).toBe(false);
});
