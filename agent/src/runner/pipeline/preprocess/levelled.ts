import type { Detrend, Scale, Standardise } from '@flotilla/protocol/device';
import { detrend, standardise } from '../signal/trend.js';
import { type Preprocess, expectStage } from '../stages.js';

/** The window's planes are its own: each is changed in place. */
const eachPlane =
  (change: (plane: Float32Array, channel: number) => void): Preprocess =>
  (stage) => {
    const window = expectStage(stage, 'window');
    window.planes.forEach(change);
    return window;
  };

export const openDetrend = ({ type }: Detrend): Preprocess => eachPlane((plane) => detrend(plane, type));

export const openStandardise = ({ to, epsilon }: Standardise): Preprocess =>
  eachPlane((plane) => standardise(plane, to, epsilon));

export function openScale(scales: Scale): Preprocess {
  return eachPlane((plane, channel) => {
    const scale = scales[scales.length === 1 ? 0 : channel]!;
    const [offset, divisor] = 'std' in scale ? [scale.mean, scale.std] : [scale.min, scale.max - scale.min];
    for (let i = 0; i < plane.length; i++) plane[i] = (plane[i]! - offset) / divisor;
  });
}
