import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { OrtEngine } from './engine/ort-engine.js';
import { ReleaseFault } from './fault.js';
import { runGolden } from './golden.js';
import { Workshop, models } from './fixtures/orders.js';
import { type LoadedRelease, loadRelease } from './loading.js';
import { peakRssBytes } from './memory.js';
import { cosine } from './pipeline/answer.js';
import { preflight } from './preflight.js';
import { numbersOf } from './tensor.js';

const workshop = new Workshop();
const Expected = z.object({
  photographs: z.array(
    z.object({ file: z.string(), scores: z.array(z.number()), top: z.array(z.object({ index: z.int(), score: z.number() })) }),
  ),
});
const Photographs = z.object({
  photographs: z.array(z.object({ file: z.string(), classes: z.array(z.object({ index: z.int() })) })),
});
const json = async (path: string) => JSON.parse(await readFile(join(models, path), 'utf8')) as unknown;

describe.each(['1.0.0', '1.2.0'])('release %s', (version) => {
  let engine: OrtEngine;
  let release: LoadedRelease;
  let folder: string;
  beforeAll(async () => {
    engine = new OrtEngine();
    const order = await workshop.shippedRelease(version);
    folder = order.folder;
    release = await loadRelease(order, engine);
  });
  afterAll(() => engine.close());

  const infer = async (file: string) => {
    const { tensor } = await release.pipeline.preprocess!(await readFile(join(models, 'photographs', file)));
    const { outputs } = await engine.run([tensor]);
    return { scores: Array.from(numbersOf(outputs[0]!)), top: release.pipeline.postprocess(outputs).findings.top! };
  };

  test('agrees with its float reference on the golden set', async () => {
    const result = await runGolden(release, folder, engine);
    expect(result).toMatchObject({ top1: 1 });
    expect(result!.cosine).toBeGreaterThan(0.95);
  });

  // libvips and Pillow differ by at most 1 of 255; what int8 makes of that is within these bounds. A tie may fall either way.
  test('answers as Python did on every photograph', async () => {
    const { photographs } = Expected.parse(await json(`expected/${version}.json`));
    expect(photographs.length).toBeGreaterThan(10);
    for (const { file, scores, top } of photographs) {
      const actual = await infer(file);
      expect.soft(cosine(actual.scores, scores), file).toBeGreaterThan(0.995);
      if (top[0]!.score - top[1]!.score > 0.05) expect.soft(actual.top[0]!.index, file).toBe(top[0]!.index);
      expect.soft(Math.abs(actual.top[0]!.score - top[0]!.score), file).toBeLessThan(0.1);
    }
  });

  test('names what the photographs show', async () => {
    const { photographs } = Photographs.parse(await json('photographs/photographs.json'));
    const right: boolean[] = [];
    for (const { file, classes } of photographs) {
      const { top } = await infer(file);
      right.push(classes.some(({ index }) => index === top[0]!.index));
    }
    expect(right.filter(Boolean).length / right.length).toBeGreaterThanOrEqual(0.9);
  });
});

test('release 1.3.0, badly calibrated, fails its preflight by the golden set', async () => {
  const engine = new OrtEngine();
  const error = await preflight(await workshop.shippedRelease('1.3.0'), engine, peakRssBytes).then(
    () => 'no fault',
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ReleaseFault);
  expect(error).toMatchObject({
    failure: 'golden',
    message: expect.stringMatching(/^product-classifier@1.3.0: model output differs: top-1 agrees in \d of 8/),
  });
  await engine.close();
});

test('release 1.1.0, slow but right, passes its preflight and shows its compute time', async () => {
  const engine = new OrtEngine();
  const slow = await preflight(await workshop.shippedRelease('1.1.0'), engine, peakRssBytes);
  expect(slow).toMatchObject({ goldenCases: 8, top1: 1 });
  await engine.close();
  const other = new OrtEngine();
  const good = await preflight(await workshop.shippedRelease('1.0.0'), other, peakRssBytes);
  await other.close();
  expect(slow.meanComputeMs! / good.meanComputeMs!).toBeGreaterThan(1.5);
});
