import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import type { GoldenSet } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { ReleaseFault } from '../../fault.js';
import { withEngine } from '../../fixtures/with-engine.js';
import { peakRssBytes } from '../../memory.js';
import { preflight } from '../../preflight.js';
import { colouredHalves, halvesPicture, halvesRelease } from './fixtures/halves.js';

const { workshop, engine } = withEngine();

const golden = 'golden: { folder: golden, tolerance: {} }\n';
type Case = z.input<typeof GoldenSet>['cases'][number];
const proven = async (yaml: string, files: Record<string, string | Uint8Array> = {}) =>
  preflight(await halvesRelease(workshop, yaml, files), engine(), peakRssBytes);
const withCase = async (change: Partial<Case>) => {
  const set: z.input<typeof GoldenSet> = {
    v: 1,
    cases: [
      {
        name: 'red and blue',
        input: 'halves.png',
        tensor: {
          shape: [1, 3, 8, 8],
          stride: 4,
          values: Array.from({ length: 48 }, (_, i) => Number(i < 16 ? i % 2 === 0 : i >= 32 && i % 2 === 1)),
          tolerance: 0.01,
        },
        findings: {
          boxes: [
            { label: 'half', box: { left: 16, top: 0, width: 16, height: 16 }, top: [{ label: 'blue' }] },
            { label: 'half', box: { left: 1, top: 0, width: 16, height: 15 }, top: [{ label: 'red' }] },
          ],
        },
        ...change,
      },
    ],
  };
  const files = { 'golden/cases.json': JSON.stringify(set), 'golden/halves.png': await halvesPicture('#f00', '#00f') };
  return proven(colouredHalves + golden, files);
};
async function fault(running: Promise<unknown>): Promise<string> {
  const error = await running.then(
    () => 'no fault at all',
    (e: unknown) => e,
  );
  if (!(error instanceof ReleaseFault)) throw error;
  return `${error.failure}: ${error.message}`;
}

describe('a graph in preflight', () => {
  test('passes with its figures', async () => {
    const figures = await withCase({});
    expect(figures).toMatchObject({ goldenCases: 1, top1: 1, provider: 'cpu' });
    expect(figures.meanComputeMs).toBeGreaterThanOrEqual(0);
    expect(figures.cosine).toBeUndefined();
  });

  test('needs no golden set', async () => expect(await proven(colouredHalves)).toMatchObject({ goldenCases: 0 }));

  test.each<[string, Partial<Case>, string]>([
    [
      'another tensor is a fault of preprocessing',
      { tensor: { shape: [1, 3, 8, 8], stride: 96, values: [0, 0], tolerance: 0.01 } },
      'golden: coloured-halves@1.0.0: preprocessing differs: red and blue: find: element 0 is 1, expected 0 ± 0.01; 1 of 2 samples differ',
    ],
    [
      'another class is not',
      { findings: { boxes: [{ box: { left: 0, top: 0, width: 16, height: 16 }, top: [{ label: 'green' }] }] } },
      'golden: coloured-halves@1.0.0: findings differ: 0 of 1 cases agree, 1 of them must; red and blue: the box at 0,0 has "red" where it must be "green"',
    ],
    [
      'nor is a box elsewhere',
      { findings: { boxes: [{ box: { left: 12, top: 0, width: 12, height: 16 } }] } },
      'golden: coloured-halves@1.0.0: findings differ: 0 of 1 cases agree, 1 of them must; red and blue: the box at 12,0 is not found: the nearest overlaps by 0.40, it must by 0.5',
    ],
    [
      'nor one too many',
      { findings: { boxes: [{ box: { left: 0, top: 0, width: 16, height: 16 } }] } },
      'golden: coloured-halves@1.0.0: findings differ: 0 of 1 cases agree, 1 of them must; red and blue: 2 boxes where there must be 1; one too many is at 16,0',
    ],
    [
      'the tensor of a later network is none to compare',
      { tensor: { network: 'name', shape: [1], stride: 1, values: [0], tolerance: 1 } },
      'golden: coloured-halves@1.0.0: red and blue: the tensor is of "name"; on the whole picture find runs',
    ],
  ])('%s', async (_what, change, sentence) => expect(await fault(withCase(change))).toBe(sentence));

  test('a network that always says the same is ill, though the graph may never come to it', async () => {
    const constant = await readFile(new URL('../../fixtures/constant.onnx', import.meta.url));
    expect(await fault(proven(colouredHalves, { 'name.onnx': constant }))).toBe(
      'health: coloured-halves@1.0.0: name: the answer is the same for each of 3 different inputs',
    );
  });

  test.each<[string, string, Record<string, string>, string]>([
    [
      'a file that is no network',
      colouredHalves,
      { 'name.onnx': 'no network' },
      "load: coloured-halves@1.0.0: small can't be used: name (name.onnx) does not load: ",
    ],
    [
      'a network in the place of another',
      colouredHalves.replace('find: find.onnx, name: name.onnx', 'find: name.onnx, name: name.onnx'),
      {},
      "load: coloured-halves@1.0.0: small can't be used: find (name.onnx) is not what the manifest says: its outputs are scores FP32 [1,3], the manifest says boxes FP32 [1,5,2]",
    ],
    [
      'labels that do not fit',
      colouredHalves,
      { 'colours.txt': 'red\n' },
      "load: coloured-halves@1.0.0: small can't be used: the pipeline of name is wrong: colours.txt has 1 labels for 3 classes",
    ],
    [
      'a graph that makes no sense',
      colouredHalves.replace('on: parts', 'on: pars'),
      {},
      'load: coloured-halves@1.0.0: small can\'t be used: graph: colour needs "pars"; there are picture, halves, parts, colour',
    ],
  ])('%s does not load', async (_what, yaml, files, sentence) => expect(await fault(proven(yaml, files))).toContain(sentence));
});
