import { z } from 'zod';
import { InputSignature } from './example.js';
import { Constant, Recurrent } from './feeds.js';
import { Digest, ModelName, Version } from './ids.js';
import { PostprocessStep } from './postprocess.js';
import { PreprocessStep } from './preprocess.js';
import { ReleasePath, TensorSignature } from './tensors.js';

export const ExecutionProvider = z.enum(['cpu', 'cuda', 'tensorrt']);
export type ExecutionProvider = z.infer<typeof ExecutionProvider>;
export const Precision = z.enum(['fp32', 'fp16', 'int8', 'int4']);
export type Precision = z.infer<typeof Precision>;

const variant = {
  file: ReleasePath,
  precision: Precision,
  providers: z.array(ExecutionProvider).min(1),
  /** Profile ids or architectures that this variant is for; absent means all. */
  profiles: z.array(z.string().max(64)).min(1).optional(),
  minOrt: Version.optional(),
  memoryMb: z.number().min(1).max(1_000_000).optional(),
};

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
  inputs: z.array(InputSignature).min(1).max(32),
  outputs: z.array(TensorSignature).min(1).max(32),
  preprocess: z.array(PreprocessStep).max(16).default([]),
  postprocess: z.array(PostprocessStep).max(16).default([]),
  constants: z.array(Constant).min(1).max(32).optional(),
  recurrent: z.array(Recurrent).min(1).max(32).optional(),
  requires: z
    .strictObject({ agent: z.string().max(100).optional(), memoryMb: z.number().min(1).max(1_000_000).optional() })
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

/** `release.yaml` as people write it: an unknown key is an error. */
export const ReleaseFile = z
  .strictObject({
    apiVersion: z.literal('flotilla/v1'),
    kind: z.literal('Release'),
    ...common,
    variants: z.array(z.strictObject(variant)).min(1).max(32),
  })
  .check(({ value, issues }) => {
    const obstacle = value.batching && batchObstacle(value);
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
    variants: z.array(z.object(variant)).min(1).max(32),
    files: z.array(ManifestFile).min(1).max(4096),
  })
  .meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof Manifest>;

export const releaseName = (release: Pick<Manifest, 'model' | 'version'>) => `${release.model}@${release.version}`;

/** One input with what must come of it, so that a preprocessing fault is told from a model fault. */
export const GoldenCase = z.object({
  name: z.string().min(1).max(128),
  /** A file in the golden folder. */
  input: ReleasePath,
  /** Every `stride`-th element of the flattened tensor that preprocessing must give; absent where the input holds the model's tensors by name, as JSON. */
  tensor: z
    .object({
      shape: z.array(z.int().min(0)),
      stride: z.int().min(1),
      values: z.array(z.number()),
      tolerance: z.number().gt(0),
    })
    .optional(),
  /** The float reference's raw output, and its top classes. */
  output: z.object({
    name: z.string(),
    values: z.array(z.number()),
    top: z.array(z.object({ index: z.int().min(0), label: z.string(), score: z.number() })).min(1),
  }),
});
export type GoldenCase = z.infer<typeof GoldenCase>;
/** `cases.json` in the golden folder. */
export const GoldenSet = z.object({ v: z.literal(1), cases: z.array(GoldenCase).min(1).max(1000) }).meta({ id: 'GoldenSet' });
export type GoldenSet = z.infer<typeof GoldenSet>;
