import { Datatype } from '@flotilla/protocol/device';
import { z } from 'zod';

/** The Open Inference Protocol's answers. What it takes is parsed by `oip/request.ts`. */

export const ServerMetadata = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
export const ServerLive = z.object({ live: z.boolean() });
export const ServerReady = z.object({ ready: z.boolean() });
export const ModelReady = z.object({ name: z.string(), ready: z.boolean() });

const TensorMetadata = z.object({
  name: z.string(),
  datatype: Datatype,
  shape: z.array(z.int().min(-1)).describe('−1 is a free dimension.'),
});
export const ModelMetadata = z.object({
  name: z.string().describe('The slot.'),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(TensorMetadata),
  outputs: z.array(TensorMetadata),
});

export const InferResponse = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: Datatype,
      shape: z.array(z.int().min(0)),
      parameters: z.object({ binary_data_size: z.int().min(0) }).optional(),
      data: z.array(z.union([z.number(), z.boolean(), z.string()])).optional(),
    }),
  ),
});

export const Health = z.object({
  status: z.enum(['ok', 'safe-mode']),
  slot: z.string().optional(),
  release: z.string().optional(),
  digest: z.string().optional(),
  deployment: z.string().optional(),
});

const Duration = z.object({ count: z.int().min(0), ns: z.number().min(0) });
const inOneRun = { compute_input: Duration, compute_infer: Duration, compute_output: Duration };
export const Statistics = z.object({
  model_stats: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      last_inference: z.int().min(0).describe('Milliseconds since 1970.'),
      inference_count: z.int().min(0),
      execution_count: z.int().min(0),
      inference_stats: z.object({
        success: Duration,
        fail: Duration,
        queue: Duration,
        ...inOneRun,
        cache_hit: Duration,
        cache_miss: Duration,
      }),
      batch_stats: z.array(z.object({ batch_size: z.int().min(1), ...inOneRun })),
    }),
  ),
});

const described = { name: z.string(), data_type: z.string(), dims: z.array(z.int().min(-1)), is_shape_tensor: z.boolean() };
export const ModelConfig = z.object({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  version_policy: z.object({ latest: z.object({ num_versions: z.int() }) }),
  max_batch_size: z.int().min(0).describe('0: the model has no batch dimension, and `dims` are whole.'),
  input: z.array(z.object({ ...described, format: z.string(), allow_ragged_batch: z.boolean(), optional: z.boolean() })),
  output: z.array(z.object({ ...described, label_filename: z.string() })),
  instance_group: z.array(z.object({ name: z.string(), kind: z.string(), count: z.int(), gpus: z.array(z.int()) })),
  default_model_filename: z.string(),
  dynamic_batching: z.object({}).optional(),
});

export const RepositoryIndexRequest = z.object({ ready: z.boolean().optional() });
export const RepositoryIndex = z.array(
  z.object({ name: z.string(), version: z.string(), state: z.enum(['READY', 'UNAVAILABLE']), reason: z.string() }),
);
/** Nothing: an empty list of regions, or an empty answer. */
export const NoRegions = z.array(z.never());
export const Nothing = z.object({});
