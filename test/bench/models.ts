import type { TensorSignature } from '@flotilla/protocol';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

/** A model file with what it takes and gives, all FP32. */
export type ModelUnderTest = { name: string; path: string; inputs: TensorSignature[]; outputs: TensorSignature[] };

const fp32 = (name: string, ...shape: number[]): TensorSignature => ({ name, type: 'FP32', shape });
const folder = dirname(findPackageJSON(import.meta.url)!);
export const file = (path: string) => join(folder, path);

/** 1.3 ms on one core of the reference machine; 196 KB in, 61 KB out. */
export const blazeface: ModelUnderTest = {
  name: 'blazeface',
  path: file('../agent/examples/presence-detector/blazeface-front-128.onnx'),
  inputs: [fp32('input:0', 1, 128, 128, 3)],
  outputs: [
    fp32('Identity:0', 1, 512, 1),
    fp32('Identity_1:0', 1, 384, 1),
    fp32('Identity_2:0', 1, 512, 16),
    fp32('Identity_3:0', 1, 384, 16),
  ],
};
const side = 128;
/** What makes it a detector of faces in pictures; docs/pipelines.md has the whole release. */
export const blazefaceSteps = {
  preprocess: [
    { decode: {} },
    { resize: { width: side, height: side, fit: 'letterbox', pad: 0, reference: 'opencv-area' } },
    { normalise: { mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5], layout: 'NHWC' } },
  ],
  postprocess: [
    {
      'ssd-boxes': {
        anchors: {
          numLayers: 4,
          minScale: 0.1484375,
          maxScale: 0.75,
          inputSizeWidth: side,
          inputSizeHeight: side,
          strides: [8, 16, 16, 16],
          aspectRatios: [1],
          fixedAnchorSize: true,
        },
        scores: ['Identity:0', 'Identity_1:0'],
        boxes: ['Identity_2:0', 'Identity_3:0'],
        xScale: side,
        yScale: side,
        wScale: side,
        hScale: side,
        reverseOutputOrder: true,
        sigmoidScore: true,
        scoreClippingThresh: 100,
        minScoreThresh: 0.5,
        labels: 'labels.txt',
      },
    },
    { nms: { iou: 0.3 } },
  ],
} as const;
/** 0.1 ms; 4 KB in, 1 KB out. */
export const smallMlp: ModelUnderTest = {
  name: 'small-mlp',
  path: file('bench/models/small-mlp.onnx'),
  inputs: [fp32('x', -1, 1024)],
  outputs: [fp32('y', -1, 256)],
};
/** 0.5 ms, most of it reading weights, which a batch reads once. */
export const wideMlp: ModelUnderTest = {
  name: 'wide-mlp',
  path: file('bench/models/wide-mlp.onnx'),
  inputs: [fp32('x', -1, 1024)],
  outputs: [fp32('y', -1, 16)],
};
/** 8 ms; 4 KB in and out. */
export const deepMlp: ModelUnderTest = {
  name: 'deep-mlp',
  path: file('bench/models/deep-mlp.onnx'),
  inputs: [fp32('x', -1, 1024)],
  outputs: [fp32('y', -1, 1024)],
};

const elements = ({ shape }: TensorSignature) => shape.reduce((product, dimension) => product * Math.max(1, dimension), 1);
export const bytesOf = (tensors: readonly TensorSignature[]) => tensors.reduce((sum, tensor) => sum + elements(tensor) * 4, 0);
