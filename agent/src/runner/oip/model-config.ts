import type { Datatype, TensorSignature } from '@flotilla/protocol/device';

type Signatures = { inputs: readonly TensorSignature[]; outputs: readonly TensorSignature[] };
type Configured = {
  /** The slot's. */
  name: string;
  /** The variant's file, as the release names it. */
  file: string;
  model: Signatures;
  /** The most elements that are put into one batch; 1 where requests are run one by one. */
  maxBatch?: number;
  instances?: number;
};

/** A free leading dimension on every input and output is the batch dimension. */
function hasBatchDimension({ inputs, outputs }: Signatures): boolean {
  return [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

/** Elements of a request or a batch, along the batch dimension. */
export const elementsAlong = (model: Signatures, inputs: readonly { shape: readonly number[] }[]): number =>
  hasBatchDimension(model) ? (inputs[0]?.shape[0] ?? 1) : 1;

/** Triton's `max_batch_size`: 0 says that the model has no batch dimension, and that `dims` are whole. */
export const maxBatchSize = (model: Signatures, maxBatch = 1): number => (hasBatchDimension(model) ? Math.max(1, maxBatch) : 0);

/** Triton's model configuration as JSON; gRPC carries the same fields. */
export function modelConfig({ name, file, model, maxBatch = 1, instances = 1 }: Configured) {
  const size = maxBatchSize(model, maxBatch);
  // With a batch dimension, Triton's dims leave it out.
  const dims = (shape: readonly number[]) => (size > 0 ? shape.slice(1) : [...shape]);
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: size,
    input: model.inputs.map((input) => ({
      name: input.name,
      data_type: tritonType(input.type),
      format: 'FORMAT_NONE' as const,
      dims: dims(input.shape),
      is_shape_tensor: false,
      allow_ragged_batch: false,
      optional: false,
    })),
    output: model.outputs.map((output) => ({
      name: output.name,
      data_type: tritonType(output.type),
      dims: dims(output.shape),
      label_filename: '',
      is_shape_tensor: false,
    })),
    instance_group: [{ name: `${name}_0`, kind: 'KIND_CPU' as const, count: instances, gpus: [] as number[] }],
    default_model_filename: file,
    ...(size > 1 ? { dynamic_batching: {} } : {}),
  };
}

const tritonType = (type: Datatype) => (type === 'BYTES' ? ('TYPE_STRING' as const) : (`TYPE_${type}` as const));
