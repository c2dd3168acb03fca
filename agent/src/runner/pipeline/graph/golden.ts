import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GoldenCase, wholePicture } from '@flotilla/protocol/device';
import type { Findings } from '../../../prediction.js';
import { ReleaseFault } from '../../fault.js';
import { messageOf } from '../../../errors.js';
import { readGoldenSet, tensorDifference } from '../../golden.js';
import type { LoadedRelease } from '../../loading.js';
import type { Tensor } from '../../tensor.js';
import { findingsDifference } from './findings-difference.js';
import { wholeScene } from './scene.js';

/** `picture`: one of the set's, as often as it is wanted. */
type GraphGolden = { cases: number; agreeing: number; picture: (seed: number) => Tensor[] };
type Proven = Pick<LoadedRelease, 'manifest' | 'pipeline' | 'run'> & { networks: NonNullable<LoadedRelease['networks']> };

/** Undefined for a release without a golden set. Throws a ReleaseFault at the first preprocessing fault, or when too many cases differ. */
export async function runGraphGolden(release: Proven, folder: string): Promise<GraphGolden | undefined> {
  const { golden: declared } = release.manifest;
  if (!declared) return undefined;
  const { cases } = await readGoldenSet(folder, declared.folder);
  const pictures: Tensor[] = [];
  const differences: string[] = [];
  for (const golden of cases) {
    const picture = await decodedCase(golden, join(folder, declared.folder), release);
    pictures.push(picture);
    await checkTensor(golden, picture, release);
    const difference = await differenceIn(golden, picture, release);
    if (difference !== undefined) differences.push(`${golden.name}: ${difference}`);
  }
  const agreeing = (cases.length - differences.length) / cases.length;
  if (agreeing < declared.tolerance.top1) {
    const share = `${cases.length - differences.length} of ${cases.length} cases agree, ${declared.tolerance.top1} of them must`;
    throw new ReleaseFault('golden', `findings differ: ${share}; ${differences[0]}`, {
      goldenCases: cases.length,
      top1: agreeing,
    });
  }
  return { cases: cases.length, agreeing, picture: (seed) => [copied(pictures[seed % pictures.length]!)] };
}

/** A pass gives its picture away; the slice of a Buffer would go with it. */
const copied = (tensor: Tensor): Tensor => ({ ...tensor, data: new Uint8Array(tensor.data as Uint8Array<ArrayBuffer>) });

async function decodedCase({ name, input }: GoldenCase, folder: string, { pipeline }: Proven): Promise<Tensor> {
  try {
    return (await pipeline.preprocess!(await readFile(join(folder, input)))).tensor;
  } catch (error) {
    throw new ReleaseFault('golden', `preprocessing differs: ${name}: ${input} can't be decoded: ${messageOf(error)}`);
  }
}

/** What the first network gets; what later ones get follows from its answer. */
async function checkTensor({ name, tensor: expected }: GoldenCase, picture: Tensor, release: Proven): Promise<void> {
  if (!expected) return;
  const { graph = {} } = release.manifest;
  const first = Object.values(graph).flatMap((node) => ('run' in node && node.on === wholePicture ? [node.run] : []));
  const wanted = expected.network ?? first[0];
  const network = release.networks.find((candidate) => candidate.name === wanted);
  if (!network || !first.includes(network.name))
    throw new ReleaseFault('golden', `${name}: the tensor is of "${wanted}"; on the whole picture ${first.join(', ')} runs`);
  const [height, width] = picture.shape as [number, number];
  const { tensor } = await network.prepare(wholeScene(picture.data as Uint8Array, width, height));
  const difference = tensorDifference(expected, tensor);
  if (difference) throw new ReleaseFault('golden', `preprocessing differs: ${name}: ${network.name}: ${difference}`);
}

async function differenceIn(
  { name, findings }: GoldenCase,
  picture: Tensor,
  { run, pipeline }: Proven,
): Promise<string | undefined> {
  if (!findings) throw new ReleaseFault('golden', `${name}: "output" is for one network; a release of several needs "findings"`);
  const { outputs } = await run([copied(picture)]).catch((error: unknown) => {
    throw error instanceof ReleaseFault ? error : new ReleaseFault('golden', `${name}: the inference fails: ${messageOf(error)}`);
  });
  const found: Findings = pipeline.postprocess(outputs).findings;
  return findingsDifference(findings, found);
}
