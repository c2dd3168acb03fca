import type { LogLevels } from '@flotilla/protocol/device';

/** In place. `isPower`: ten decibels are a factor of ten; of amplitudes twenty are. */
export function toLogLevels(values: Float32Array, { base, floor, floorBy, reference, range }: LogLevels, isPower: boolean): void {
  const factor = factorOf(base, isPower);
  const level = (value: number) => factor * Math.log(floorBy === 'add' ? value + floor : Math.max(value, floor));
  const zero = reference === 1 ? 0 : level(reference === 'highest' ? highest(values) : reference);
  for (let i = 0; i < values.length; i++) values[i] = level(values[i]!) - zero;
  if (range === undefined) return;
  const least = highest(values) - range;
  for (let i = 0; i < values.length; i++) if (values[i]! < least) values[i] = least;
}

function factorOf(base: LogLevels['base'], isPower: boolean): number {
  if (base === 'e') return 1;
  return (base === 10 ? 1 : isPower ? 10 : 20) / Math.LN10;
}

function highest(values: Float32Array): number {
  let most = values[0]!;
  for (let i = 1; i < values.length; i++) if (values[i]! > most) most = values[i]!;
  return most;
}
