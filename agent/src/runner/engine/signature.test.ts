import { expect, test } from 'vitest';
import type { TensorSignature } from '@flotilla/protocol/device';
import { signatureMismatch } from './signature.js';

const images: TensorSignature = { name: 'images', type: 'FP32', shape: [1, 3, 8, 8] };
const mask: TensorSignature = { name: 'mask', type: 'BOOL', shape: [-1] };
const scores: TensorSignature = { name: 'scores', type: 'FP32', shape: [1, 3] };

test('the order of tensors does not matter', () => {
  expect(
    signatureMismatch({ inputs: [images, mask], outputs: [scores] }, { inputs: [mask, images], outputs: [scores] }),
  ).toBeUndefined();
});

test.each<[string, TensorSignature, string]>([
  ['name', { ...images, name: 'input' }, 'its inputs are input FP32 [1,3,8,8], the manifest says images FP32 [1,3,8,8]'],
  ['type', { ...images, type: 'UINT8' }, 'its inputs are images UINT8 [1,3,8,8], the manifest says images FP32 [1,3,8,8]'],
  [
    'dimension',
    { ...images, shape: [-1, 3, 8, 8] },
    'its inputs are images FP32 [-1,3,8,8], the manifest says images FP32 [1,3,8,8]',
  ],
])('another %s is named with what was expected', (_what, actual, message) => {
  expect(signatureMismatch({ inputs: [images], outputs: [scores] }, { inputs: [actual], outputs: [scores] })).toBe(message);
});

test('an output that the manifest leaves out is a mismatch', () => {
  expect(signatureMismatch({ inputs: [images], outputs: [scores] }, { inputs: [images], outputs: [scores, mask] })).toBe(
    'its outputs are mask BOOL [-1], scores FP32 [1,3], the manifest says scores FP32 [1,3]',
  );
});
