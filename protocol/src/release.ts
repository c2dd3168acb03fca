import { z } from 'zod';
import { InputSignature } from './example.js';
import { Graph, Networks } from './graph.js';
import { Constant, Recurrent } from './feeds.js';
import { Digest, ModelName, Version } from './ids.js';
import { PostprocessStep } from './postprocess.js';
import { PreprocessStep } from './preprocess.js';
import { ReleasePath, TensorSignature } from './tensors.js';
import { variantFields, variantFiles, variantObstacle } from './variant.js';

/** Requests computed together; every input and output needs a free first dimension. `maxDelayMs`: what one may wait for company. */
export const Batching = z.strictObject({
  maxBatch: z.int().min(2).max(1024),
  maxDelayMs: z.number().min(0).max(1000).default(0),
});
export type Batching = z.infer<typeof Batching>;

const common = {
  model: ModelName,
  version: Version,
  summary: z.string().max(500).optional(),
  licence: z.string().max(200).optional(),
  /** None where the release has several networks, each with its own. */
  inputs: z.array(InputSignature).max(32).default([]),
  outputs: z.array(TensorSignature).max(32).default([]),
  preprocess: z.array(PreprocessStep).max(16).default([]),
  postprocess: z.array(PostprocessStep).max(16).default([]),
  /** Several networks in one release, and how what one finds goes into another. */
  networks: Networks.optional(),
  graph: Graph.optional(),
  constants: z.array(Constant).min(1).max(32).optional(),
  recurrent: z.array(Recurrent).min(1).max(32).optional(),
  requires: z
    .strictObject({
      agent: z.string().max(100).optional(),
      memoryMb: z.number().min(1).max(1_000_000).optional(),
      /** Range of versions: a slot that runs another version of the model must be brought to one of these first. */
      from: z.string().max(100).optional(),
    })
    .default({}),
  golden: z
    .strictObject({
      folder: ReleasePath,
      tolerance: z.strictObject({ top1: z.number().min(0).max(1).default(1), cosine: z.number().min(-1).max(1).default(0.98) }),
    })
    .optional(),
  targets: z
    .strictObject({ p95LatencyMs: z.number().gt(0).optional(), errorRate: z.number().min(0).max(1).optional() })
    .optional(),
  baseline: ReleasePath.optional(),
  batching: Batching.optional(),
  limits: z
    .strictObject({
      /** One inference that takes longer hangs: its runner is ended. The device has a limit of its own; the lower one counts. */
      maxRunMs: z.int().min(500).max(3_600_000).optional(),
    })
    .optional(),
  lineage: z.record(z.string().max(64), z.unknown()).optional(),
};

/** Why requests of such a model can't be computed together; undefined when they can. */
export function batchObstacle({ inputs, outputs }: Record<'inputs' | 'outputs', readonly TensorSignature[]>): string | undefined {
  const fixed = [...inputs, ...outputs].find(({ shape }) => shape[0] !== -1);
  if (fixed)
    return `${fixed.name} has the shape [${fixed.shape.join(',')}]: a batch needs a free first dimension (-1) in every input and output`;
  const text = inputs.find(({ type }) => type === 'BYTES');
  return text && `the input ${text.name} is BYTES, which is never batched`;
}

type Shaped = Readonly<{
  inputs: readonly unknown[];
  outputs: readonly unknown[];
  networks?: unknown;
  graph?: unknown;
  variants: readonly Parameters<typeof variantObstacle>[0][];
}>;

/** What the schema's fields alone don't say: one network at the top, or several by name with a graph. */
function shapeProblems(release: Shaped): { path: (string | number)[]; message: string }[] {
  const { networks, graph, variants } = release;
  const problems = variants.flatMap((variant, i) => {
    const message = variantObstacle(variant);
    return message === undefined ? [] : [{ path: ['variants', i], message }];
  });
  if ((networks === undefined) !== (graph === undefined)) {
    const missing = networks === undefined ? 'networks' : 'graph';
    return [...problems, { path: [missing], message: 'networks and graph go together' }];
  }
  if (networks !== undefined) return problems;
  for (const side of ['inputs', 'outputs'] as const)
    if (release[side].length === 0) problems.push({ path: [side], message: `a network has ${side}` });
  return problems;
}

/** `release.yaml` as people write it: an unknown key is an error. */
export const ReleaseFile = z
  .strictObject({
    apiVersion: z.literal('flotilla/v1'),
    kind: z.literal('Release'),
    ...common,
    variants: z.array(z.strictObject(variantFields)).min(1).max(32),
  })
  .check(({ value, issues }) => {
    for (const { path, message } of shapeProblems(value)) issues.push({ code: 'custom', path, message, input: value });
    const obstacle = value.batching && !value.networks && batchObstacle(value);
    if (obstacle) issues.push({ code: 'custom', path: ['batching'], message: obstacle, input: value.batching });
  })
  .meta({ id: 'ReleaseFile' });
export type ReleaseFile = z.infer<typeof ReleaseFile>;

export const ManifestFile = z.object({ path: ReleasePath, sha256: Digest, size: z.int().min(0) });
export type ManifestFile = z.infer<typeof ManifestFile>;

/** The signed description of a release; its canonical form's sha256 is the release's digest. Every file is listed, with hash and size in bytes. */
export const Manifest = z
  .object({
    v: z.literal(1),
    ...common,
    variants: z.array(z.object(variantFields)).min(1).max(32),
    files: z.array(ManifestFile).min(1).max(4096),
  })
  .check(({ value, issues }) => {
    for (const { path, message } of shapeProblems(value)) issues.push({ code: 'custom', path, message, input: value });
  })
  .meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof Manifest>;

export const releaseName = (release: Pick<Manifest, 'model' | 'version'>) => `${release.model}@${release.version}`;

/** Of all its networks. */
export const postprocessOf = ({ postprocess, networks }: Pick<Manifest, 'postprocess' | 'networks'>): PostprocessStep[] => [
  ...postprocess,
  ...Object.values(networks ?? {}).flatMap((network) => network.postprocess),
];

/** Bytes of a variant's ONNX files. */
export const weightsOf = ({ files }: Pick<Manifest, 'files'>, variant: Manifest['variants'][number] | undefined): number => {
  const own = new Set(variant && variantFiles(variant));
  return files.reduce((sum, { path, size }) => (own.has(path) ? sum + size : sum), 0);
};
