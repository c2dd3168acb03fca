import type { TensorSignature } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { maxBatchSize, modelConfig } from './model-config.js';

const tensor = (name: string, shape: number[], type: TensorSignature['type'] = 'FP32'): TensorSignature => ({
  name,
  type,
  shape,
});
const fixed = { inputs: [tensor('images', [1, 3, 8, 8])], outputs: [tensor('scores', [1, 3])] };
const batched = { inputs: [tensor('x', [-1, 2]), tensor('words', [-1, -1], 'BYTES')], outputs: [tensor('y', [-1, 4], 'INT64')] };

describe('the model configuration', () => {
  test('of a model without a free leading dimension has whole dims and no batching', () => {
    const config = modelConfig({ name: 'inspection', file: 'model.onnx', model: fixed });
    expect(config).toMatchObject({
      name: 'inspection',
      platform: 'onnxruntime_onnx',
      max_batch_size: 0,
      input: [{ name: 'images', data_type: 'TYPE_FP32', dims: [1, 3, 8, 8] }],
      output: [{ name: 'scores', data_type: 'TYPE_FP32', dims: [1, 3] }],
      default_model_filename: 'model.onnx',
    });
    expect(config).not.toHaveProperty('dynamic_batching');
  });

  test('of a model with one leaves it out of the dims', () => {
    const config = modelConfig({ name: 's', file: 'm.onnx', model: batched, maxBatch: 8 });
    expect(config).toMatchObject({
      max_batch_size: 8,
      input: [{ dims: [2] }, { data_type: 'TYPE_STRING', dims: [-1] }],
      output: [{ data_type: 'TYPE_INT64', dims: [4] }],
      dynamic_batching: {},
    });
  });

  test.each<[string, TensorSignature, number]>([
    ['a fixed one', tensor('z', [1, 2]), 0],
    ['a scalar', tensor('z', []), 0],
    ['a free one that is not the first', tensor('z', [2, -1]), 0],
    ['another free one', tensor('z', [-1]), 8],
  ])('has a batch dimension with %s beside it or not', (_what, other, size) => {
    expect(maxBatchSize({ ...batched, outputs: [...batched.outputs, other] }, 8)).toBe(size);
  });

  test('without a batcher says 1, which every client can keep to', () => expect(maxBatchSize(batched)).toBe(1));
});
