import type { Schema } from './encode.js';

// The answers of Triton's grpc_service.proto and model_config.proto, as far as this server fills them in. A test holds them against the .proto files.

export const inferenceService = 'inference.GRPCInferenceService';

const name = { id: 1, type: 'text' } as const;
const shape = { id: 3, type: 'integer', repeated: true } as const;
const TensorMetadata: Schema = { name, datatype: { id: 2, type: 'text' }, shape };

export const ServerLiveResponse: Schema = { live: { id: 1, type: 'flag' } };
export const ReadyResponse: Schema = { ready: { id: 1, type: 'flag' } };
export const ServerMetadataResponse: Schema = {
  name,
  version: { id: 2, type: 'text' },
  extensions: { id: 3, type: 'text', repeated: true },
};
export const ModelMetadataResponse: Schema = {
  name,
  versions: { id: 2, type: 'text', repeated: true },
  platform: { id: 3, type: 'text' },
  inputs: { id: 4, type: 'message', of: TensorMetadata, repeated: true },
  outputs: { id: 5, type: 'message', of: TensorMetadata, repeated: true },
};

/** In the order of the .proto's numbers. */
const dataTypes = 'INVALID BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING BF16'.split(' ');
const data_type = {
  id: 2,
  type: 'enum',
  values: Object.fromEntries(dataTypes.map((type, i) => [`TYPE_${type}`, i])),
} as const;
const integers = (id: number) => ({ id, type: 'integer', repeated: true }) as const;
const InstanceGroup: Schema = {
  name,
  count: { id: 2, type: 'integer' },
  gpus: integers(3),
  kind: { id: 4, type: 'enum', values: { KIND_AUTO: 0, KIND_GPU: 1, KIND_CPU: 2, KIND_MODEL: 3 } },
};
const ModelConfig: Schema = {
  name,
  platform: { id: 2, type: 'text' },
  version_policy: {
    id: 3,
    type: 'message',
    of: { latest: { id: 1, type: 'message', of: { num_versions: { id: 1, type: 'integer' } } } },
  },
  max_batch_size: { id: 4, type: 'integer' },
  input: { id: 5, type: 'message', repeated: true, of: { name, data_type, dims: integers(4) } },
  output: { id: 6, type: 'message', repeated: true, of: { name, data_type, dims: integers(3) } },
  instance_group: { id: 7, type: 'message', repeated: true, of: InstanceGroup },
  default_model_filename: { id: 8, type: 'text' },
  dynamic_batching: {
    id: 11,
    type: 'message',
    of: { preferred_batch_size: integers(1), max_queue_delay_microseconds: { id: 2, type: 'integer' } },
  },
  backend: { id: 17, type: 'text' },
};
export const ModelConfigResponse: Schema = { config: { id: 1, type: 'message', of: ModelConfig } };

const Duration: Schema = { count: { id: 1, type: 'integer' }, ns: { id: 2, type: 'integer' } };
const durations = (first: number, ...names: string[]): Schema =>
  Object.fromEntries(names.map((key, i) => [key, { id: first + i, type: 'message', of: Duration }] as const));
const durationNames = 'success fail queue compute_input compute_infer compute_output cache_hit cache_miss'.split(' ');
const InferStatistics = durations(1, ...durationNames);
const BatchStatistics: Schema = {
  batch_size: { id: 1, type: 'integer' },
  ...durations(2, 'compute_input', 'compute_infer', 'compute_output'),
};
const ModelStatistics: Schema = {
  name,
  version: { id: 2, type: 'text' },
  last_inference: { id: 3, type: 'integer' },
  inference_count: { id: 4, type: 'integer' },
  execution_count: { id: 5, type: 'integer' },
  inference_stats: { id: 6, type: 'message', of: InferStatistics },
  batch_stats: { id: 7, type: 'message', of: BatchStatistics, repeated: true },
};
export const ModelStatisticsResponse: Schema = { model_stats: { id: 1, type: 'message', of: ModelStatistics, repeated: true } };

export const RepositoryIndexResponse: Schema = {
  models: {
    id: 1,
    type: 'message',
    repeated: true,
    of: { name, version: { id: 2, type: 'text' }, state: { id: 3, type: 'text' }, reason: { id: 4, type: 'text' } },
  },
};
