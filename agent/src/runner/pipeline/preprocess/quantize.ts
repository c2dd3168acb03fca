import type { Quantize } from '@flotilla/protocol/device';
import { type Preprocess, expectStage } from '../stages.js';

export const openQuantize =
  (options: Quantize): Preprocess =>
  (stage) => {
    const tensor = expectStage(stage, 'tensor');
    return { ...tensor, type: options.type, data: quantized(tensor.data as Float32Array, options) };
  };

/** As ONNX's QuantizeLinear does: divided and rounded in single precision, halves to even; the arrays saturate by hand. */
export function quantized(values: Float32Array, { scale, zeroPoint, type }: Quantize) {
  const [levels, least, most] =
    type === 'UINT8' ? ([new Uint8Array(values.length), 0, 255] as const) : ([new Int8Array(values.length), -128, 127] as const);
  const divisor = Math.fround(scale);
  for (let i = 0; i < values.length; i++) {
    const level = halfToEven(Math.fround(values[i]! / divisor)) + zeroPoint;
    levels[i] = level < least ? least : level > most ? most : level;
  }
  return levels;
}

function halfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
