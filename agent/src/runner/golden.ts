import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GoldenCase, GoldenSet } from '@flotilla/protocol/device';
import type { Engine } from './engine/engine.js';
import { ReleaseFault } from './fault.js';
import { messageOf } from '../errors.js';
import { argmax, cosine } from './pipeline/answer.js';
import { goldenTensors } from './golden-tensors.js';
import type { LoadedRelease } from './loading.js';
import type { Pipeline } from './pipeline/pipeline.js';
import { type Tensor, firstNonFinite, numbersOf } from './tensor.js';

type GoldenResult = { cases: number; top1: number; cosine: number; outputs: Tensor[][] };
type Proven = Pick<LoadedRelease, 'manifest' | 'pipeline' | 'model'>;
type CaseResult = { top1: boolean; cosine: number; outputs: Tensor[]; difference: string };

const round = (value: number) => Number(value.toPrecision(4));

/** Undefined for a release without a golden set. Throws a ReleaseFault at the first preprocessing fault, or when too much differs in all. */
export async function runGolden(release: Proven, folder: string, engine: Engine): Promise<GoldenResult | undefined> {
  const { golden: declared } = release.manifest;
  if (!declared) return undefined;
  const { folder: goldenFolder, tolerance } = declared;
  const { cases } = await readGoldenSet(folder, goldenFolder);
  const results: CaseResult[] = [];
  for (const golden of cases) results.push(await runCase(golden, join(folder, goldenFolder), release, engine));
  const figures = {
    goldenCases: cases.length,
    top1: results.filter((result) => result.top1).length / cases.length,
    cosine: results.reduce((sum, result) => sum + result.cosine, 0) / cases.length,
  };
  if (figures.top1 < tolerance.top1 || figures.cosine < tolerance.cosine) {
    const agreed = `top-1 agrees in ${results.filter((r) => r.top1).length} of ${cases.length} cases (${round(figures.top1)}, needs ${tolerance.top1})`;
    const direction = `mean cosine is ${round(figures.cosine)} (needs ${tolerance.cosine})`;
    const worst = results.toSorted((a, b) => Number(a.top1) - Number(b.top1) || a.cosine - b.cosine)[0]!;
    throw new ReleaseFault('golden', `model output differs: ${agreed}, ${direction}; ${worst.difference}`, figures);
  }
  return {
    cases: figures.goldenCases,
    top1: figures.top1,
    cosine: figures.cosine,
    outputs: results.map(({ outputs }) => outputs),
  };
}

export async function readGoldenSet(folder: string, goldenFolder: string): Promise<GoldenSet> {
  try {
    return GoldenSet.parse(JSON.parse(await readFile(join(folder, goldenFolder, 'cases.json'), 'utf8')));
  } catch (error) {
    throw new ReleaseFault('golden', `the golden set ${goldenFolder}/cases.json can't be used: ${messageOf(error)}`);
  }
}

async function runCase(golden: GoldenCase, folder: string, release: Proven, engine: Engine): Promise<CaseResult> {
  const inputs = await inputsOf(golden, folder, release);
  const { outputs } = await engine.run(inputs).catch((error: unknown) => {
    throw new ReleaseFault('golden', `${golden.name}: the inference fails: ${messageOf(error)}`);
  });
  for (const output of outputs) {
    const index = firstNonFinite(output);
    if (index >= 0)
      throw new ReleaseFault('health', `${golden.name}: the output ${output.name} holds NaN or infinity at index ${index}`);
  }
  return { ...compare(golden, outputs), outputs };
}

async function inputsOf(golden: GoldenCase, folder: string, { pipeline, model }: Proven): Promise<Tensor[]> {
  if (!golden.tensor) return goldenTensors(join(folder, golden.input), golden, model.inputs);
  const tensor = await preprocess(golden, folder, pipeline);
  const difference = tensorDifference(golden.tensor, tensor);
  if (difference) throw new ReleaseFault('golden', `preprocessing differs: ${golden.name}: ${difference}`);
  return pipeline.feeds.with(tensor);
}

async function preprocess(golden: GoldenCase, folder: string, pipeline: Pipeline): Promise<Tensor> {
  if (!pipeline.preprocess) throw new ReleaseFault('golden', 'the release has golden inputs but no preprocessing for them');
  try {
    return (await pipeline.preprocess(await readFile(join(folder, golden.input)))).tensor;
  } catch (error) {
    throw new ReleaseFault(
      'golden',
      `preprocessing differs: ${golden.name}: ${golden.input} can't be preprocessed: ${messageOf(error)}`,
    );
  }
}

/** Every `stride`-th element against what the reference's preprocessing gave. Undefined when all lie within the tolerance. */
export function tensorDifference(
  { shape, stride, values, tolerance }: NonNullable<GoldenCase['tensor']>,
  tensor: Tensor,
): string | undefined {
  if (shape.join() !== tensor.shape.join()) return `the tensor is [${tensor.shape.join(',')}], expected [${shape.join(',')}]`;
  const actual = numbersOf(tensor);
  if (values.length !== Math.ceil(actual.length / stride))
    return `${values.length} samples at stride ${stride} of ${actual.length} elements`;
  // Written so that a NaN is outside too.
  const outside = values.flatMap((value, i) => (Math.abs(actual[i * stride]! - value) <= tolerance ? [] : [i]));
  const [first] = outside;
  if (first === undefined) return undefined;
  const example = `element ${first * stride} is ${round(actual[first * stride]!)}, expected ${round(values[first]!)} ± ${tolerance}`;
  return `${example}; ${outside.length} of ${values.length} samples differ`;
}

function compare({ name, output: expected }: GoldenCase, outputs: readonly Tensor[]): Omit<CaseResult, 'outputs'> {
  if (!expected)
    throw new ReleaseFault('golden', `${name}: "findings" are for a release of several networks; this one needs "output"`);
  const output = outputs.find((tensor) => tensor.name === expected.name);
  const actual = output ? numbersOf(output) : [];
  if (actual.length !== expected.values.length)
    throw new ReleaseFault(
      'golden',
      `${name}: the output ${expected.name} has ${actual.length} values, the reference ${expected.values.length}`,
    );
  const [best, index, likeness] = [expected.top[0]!, argmax(actual), cosine(actual, expected.values)];
  const difference = `${name}: class ${index} where the reference says ${best.index} (${best.label}), cosine ${round(likeness)}`;
  return { top1: index === best.index, cosine: likeness, difference };
}
