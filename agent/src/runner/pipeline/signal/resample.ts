import { resampleFilter } from '../../../resample-filter.js';

type Resampler = (channel: Float32Array) => Float32Array<ArrayBuffer>;

/** As scipy.signal.resample_poly with its own Kaiser filter, the whole signal at once; outside of it lies silence. Throws for rates that share too little. */
export function resampler(from: number, to: number): Resampler {
  if (from === to) return (channel) => Float32Array.from(channel);
  const { up, down, taps } = resampleFilter(from, to);
  return (channel) => convolved(channel, taps, up, down);
}

function convolved(channel: Float32Array, filter: Float64Array, up: number, down: number): Float32Array<ArrayBuffer> {
  const half = (filter.length - 1) / 2;
  const result = new Float32Array(Math.ceil((channel.length * up) / down));
  for (let at = 0; at < result.length; at++) {
    const centre = at * down + half;
    const first = Math.max(0, Math.ceil((centre - filter.length + 1) / up));
    const last = Math.min(channel.length - 1, Math.floor(centre / up));
    let sum = 0;
    for (let i = first, tap = centre - first * up; i <= last; i++, tap -= up) sum += channel[i]! * filter[tap]!;
    result[at] = sum;
  }
  return result;
}
