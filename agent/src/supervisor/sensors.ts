import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GpuSource, PowerSource, Profile, TemperatureSource } from '@flotilla/firmware-profiles';
import type { Reading } from '../core/board.js';

/** A reading, or undefined while the sensor gives none. */
export type Reader = () => number | undefined;

export interface Sensors {
  temperatureC?: Reader;
  powerW?: Reader;
  /** Above 0 while the supply is too weak. */
  undervoltage?: Reader;
  /** From here on the board holds itself back, °C. */
  throttleC?: number;
  /** Share of the time since the last reading in which it did so. */
  throttled?: Reader;
  /** Busy share, 0 to 1. */
  gpu?: Reader;
  gpuMHz?: Reader;
}

type Sensed = Pick<Profile, 'thermal' | 'power' | 'gpu'>;

/** Finds the profile's sensors on this machine: of each kind the first that yields a number now. `root` is / but in tests. */
export function findSensors({ thermal, power, gpu }: Sensed, root = '/'): Sensors {
  const source = thermal.read.find((each) => temperatureReader(each, root)?.() !== undefined);
  const temperature = source && temperatureReader(source, root);
  const throttleC = thermal.throttleC ?? (source && passiveTrip(source, root));
  const watts = firstThatReads(power.read.map((source) => powerReader(source, root)));
  const heldBack = thermal.throttledTime === undefined ? undefined : heldBackReader(join(root, thermal.throttledTime));
  const weak = power.undervoltage && hwmonFile(root, power.undervoltage.chip, power.undervoltage.file);
  return {
    ...(temperature && { temperatureC: temperature }),
    ...(watts && { powerW: watts }),
    ...(weak && { undervoltage: () => numberIn(weak) }),
    ...(throttleC !== undefined && { throttleC }),
    ...(heldBack && { throttled: heldBack }),
    ...gpuReaders(gpu.read, root),
  };
}

/** Throttled: so hot that the hardware slows itself down, or too weakly supplied. Absent without a sensor that could tell. */
export function sensed({ temperatureC, powerW, undervoltage, throttleC, throttled, gpu, gpuMHz }: Sensors): Reading {
  const celsius = temperatureC?.();
  const weak = undervoltage?.();
  const hot = celsius === undefined || throttleC === undefined ? undefined : celsius >= throttleC;
  const told = [throttled?.(), hot === undefined ? undefined : Number(hot), weak === undefined ? undefined : Number(weak > 0)];
  const shares = told.filter((share) => share !== undefined);
  return {
    temperatureC: celsius,
    powerW: powerW?.(),
    throttled: shares.length > 0 ? Math.max(...shares) : undefined,
    gpu: gpu?.(),
    gpuMHz: gpuMHz?.(),
  };
}

/** Of each the first that yields a number: a driver may tell the clock and not the load. */
function gpuReaders(sources: readonly GpuSource[], root: string): Pick<Sensors, 'gpu' | 'gpuMHz'> {
  const parent = join(root, 'sys/class/devfreq');
  const folders = sources.flatMap(({ node }) => folderNamed(parent, 'device/of_node/name', node) ?? []);
  const reading = (file: string, factor: number) =>
    firstThatReads(folders.map((folder) => () => scaled(numberIn(join(folder, file)), factor)));
  const [load, clock] = [reading('device/load', 1e-3), reading('cur_freq', 1e-6)];
  return { ...(load && { gpu: () => atMostOne(load()) }), ...(clock && { gpuMHz: clock }) };
}

const atMostOne = (share: number | undefined) => (share === undefined ? undefined : Math.min(1, Math.max(0, share)));

/** The lowest temperature, °C, at which the kernel holds the board back; zones without such a point say 0 or less. */
function passiveTrip(source: TemperatureSource, root: string): number | undefined {
  if (source.from !== 'thermal-zone') return undefined;
  const zone = folderNamed(join(root, 'sys/class/thermal'), 'type', source.type);
  if (zone === undefined) return undefined;
  const points = entries(zone).flatMap((name) => /^trip_point_(\d+)_type$/.exec(name)?.[1] ?? []);
  const passive = points.filter((n) => textIn(join(zone, `trip_point_${n}_type`)) === 'passive');
  const celsius = passive.flatMap((n) => scaled(numberIn(join(zone, `trip_point_${n}_temp`)), 1e-3) ?? []).filter((c) => c > 0);
  return celsius.length > 0 ? Math.min(...celsius) : undefined;
}

const firstThatReads = (readers: readonly (Reader | undefined)[]) => readers.find((read) => read?.() !== undefined);

function temperatureReader(source: TemperatureSource, root: string): Reader | undefined {
  const file =
    source.from === 'thermal-zone'
      ? entryNamed(join(root, 'sys/class/thermal'), 'type', source.type, 'temp')
      : hwmonFile(root, source.chip, source.file);
  return file === undefined ? undefined : () => scaled(numberIn(file), 1e-3);
}

function powerReader(source: PowerSource, root: string): Reader | undefined {
  switch (source.from) {
    case 'file':
      return () => scaled(numberIn(join(root, source.path)), source.unit === 'mW' ? 1e-3 : 1e-6);
    case 'hwmon':
      return railsReader(source, root);
    case 'rapl': {
      const counter = entryNamed(join(root, 'sys/class/powercap'), 'name', source.zone, 'energy_uj');
      return counter === undefined
        ? undefined
        : energyReader(
            () => numberIn(counter),
            () => performance.now(),
          );
    }
  }
}

/** in*_label names a rail; in*_input is in mV and curr*_input in mA. */
function railsReader({ chip, rails }: Extract<PowerSource, { from: 'hwmon' }>, root: string): Reader | undefined {
  const folder = hwmonFolder(root, chip);
  if (folder === undefined) return undefined;
  const numbers = entries(folder).flatMap((name) => /^in(\d+)_label$/.exec(name)?.[1] ?? []);
  const wanted = numbers.filter((n) => rails.includes(textIn(join(folder, `in${n}_label`)) ?? ''));
  if (wanted.length < rails.length) return undefined;
  return () => sum(wanted.map((n) => product(numberIn(join(folder, `in${n}_input`)), numberIn(join(folder, `curr${n}_input`)))));
}

/** Mean watts since the last reading, from a counter of microjoules that wraps. The first reading only says that there is one. */
export function energyReader(counter: Reader, nowMs: () => number): Reader {
  let last: { energy: number; at: number } | undefined;
  return () => {
    const energy = counter();
    const before = last;
    last = energy === undefined ? undefined : { energy, at: nowMs() };
    if (!last) return undefined;
    if (!before || last.at <= before.at || last.energy < before.energy) return before ? undefined : 0;
    return (last.energy - before.energy) / 1000 / (last.at - before.at);
  };
}

/** From a counter of milliseconds. */
function heldBackReader(file: string, nowMs = () => performance.now()): Reader | undefined {
  if (numberIn(file) === undefined) return undefined;
  const perS = energyReader(() => numberIn(file), nowMs);
  return () => atMostOne(scaled(perS(), 1000));
}

const hwmonFolder = (root: string, chip: string) => folderNamed(join(root, 'sys/class/hwmon'), 'name', chip);

function hwmonFile(root: string, chip: string, file: string): string | undefined {
  const folder = hwmonFolder(root, chip);
  return folder === undefined ? undefined : join(folder, file);
}

function entryNamed(parent: string, nameFile: string, name: string, file: string): string | undefined {
  const folder = folderNamed(parent, nameFile, name);
  return folder === undefined ? undefined : join(folder, file);
}

const folderNamed = (parent: string, nameFile: string, name: string) =>
  entries(parent)
    .map((entry) => join(parent, entry))
    .find((folder) => textIn(join(folder, nameFile)) === name);

/** Sensors come and go with drivers and rights: what cannot be read is not there. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textIn(file: string): string | undefined {
  try {
    // What comes from a device tree ends with a NUL.
    return readFileSync(file, 'utf8').replaceAll('\0', '').trim();
  } catch {
    return undefined;
  }
}

function numberIn(file: string): number | undefined {
  const text = textIn(file);
  return text === undefined || text === '' || !Number.isFinite(Number(text)) ? undefined : Number(text);
}

const scaled = (value: number | undefined, factor: number) => (value === undefined ? undefined : value * factor);
const product = (mV: number | undefined, mA: number | undefined) =>
  mV === undefined || mA === undefined ? undefined : mV * mA * 1e-6;
const sum = (values: readonly (number | undefined)[]) =>
  values.reduce((total, value) => (total === undefined || value === undefined ? undefined : total + value), 0);
