import { ExecutionProvider, Precision } from '@flotilla/protocol/device';
import { z } from 'zod';
import { nearest } from './nearest.js';

const name = z.string().min(1).max(64);
const megabytes = z.int().positive();
const celsius = z.number().min(0).max(150);
const watts = z.number().positive().max(2000);

/** An object in which an unknown key is an error that names the nearest known one. */
function strict<Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys, known) : undefined),
  });
}

function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  return keys.map((key) => unknownKey(key, nearest(key, known), known)).join('; ');
}

function unknownKey(key: string, meant: string | undefined, known: readonly string[]): string {
  return `unknown key "${key}": ${meant ? `did you mean "${meant}"?` : `remove it, known here are ${known.join(', ')}`}`;
}

/** Where a temperature is read. `thermal-zone`: the zone in /sys/class/thermal with this `type`. Both hold milli-°C. */
export const TemperatureSource = z.discriminatedUnion('from', [
  strict({ from: z.literal('thermal-zone'), type: name }),
  strict({ from: z.literal('hwmon'), chip: name, file: z.string().regex(/^temp\d+_input$/) }),
]);
export type TemperatureSource = z.infer<typeof TemperatureSource>;

/**
 * Where the power drawn is read.
 * `hwmon`: the sum over `rails` (in*_label) of in*_input (mV) × curr*_input (mA);
 * `rapl`: the counter energy_uj of the powercap zone with this name (root only since Linux 5.10);
 * `file`: one number in `unit`.
 */
export const PowerSource = z.discriminatedUnion('from', [
  strict({ from: z.literal('hwmon'), chip: name, rails: z.array(name).min(1) }),
  strict({ from: z.literal('rapl'), zone: name }),
  strict({ from: z.literal('file'), path: z.string().startsWith('/sys/'), unit: z.enum(['mW', 'uW']) }),
]);
export type PowerSource = z.infer<typeof PowerSource>;

/**
 * Where load and clock of a GPU are read. `devfreq`: the folder in /sys/class/devfreq whose device/of_node/name this is; device/load holds
 * thousandths, cur_freq Hz.
 */
export const GpuSource = strict({ from: z.literal('devfreq'), node: name });
export type GpuSource = z.infer<typeof GpuSource>;

const Detect = strict({
  /** Any of these fits one string of the device tree's `compatible`; `*` stands for anything. */
  compatible: z.array(name).min(1).optional(),
  /** Any of these fits the board's model; `*` stands for anything. */
  model: z.array(name).min(1).optional(),
  /** The CPU has at least one of these (generic profiles only). */
  anyFeature: z.array(name).min(1).optional(),
});

const Accelerator = strict({
  name,
  kind: z.enum(['gpu', 'npu', 'dla']),
  /** What it takes to compute on it: an engine outside onnxruntime-node, or nothing that exists today. */
  reachedBy: z.enum(['gpu-engine', 'nothing']),
});

const Provider = strict({
  name: ExecutionProvider,
  /** Offered only once an engine that has it was probed: npm ships no GPU build of onnxruntime for linux/arm64. */
  needs: z.literal('gpu-engine').optional(),
});

const Threads = strict({
  /** Cores that inference leaves to everything else. */
  spareCores: z.int().min(0).max(64).default(1),
  /** The most threads that pay, where some cores are much slower. */
  max: z.int().positive().optional(),
  /** Sessions of one slot that run side by side. */
  workers: z.int().positive().max(64).default(1),
});

const Memory = strict({
  /** The sizes that the board is sold with, MB. */
  totalMb: z.array(megabytes).min(1).optional(),
  /** The part of the machine's memory that all slots may use, swaps included. */
  slotShare: z.number().gt(0).lte(1),
  /** How a release takes over from another; `auto`: side by side where a forecast says that both fit. */
  swap: z.enum(['auto', 'parallel', 'sequential']).default('auto'),
});

const Thermal = strict({
  read: z.array(TemperatureSource),
  /** From here on the hardware slows itself down, °C. Absent: the zone's lowest passive trip point. */
  throttleC: celsius.optional(),
  /** A counter of milliseconds in which the hardware slowed itself down. */
  throttledTime: z.string().startsWith('/sys/').optional(),
  /** The hardware's own limit, °C. */
  limitC: celsius.optional(),
});

const Power = strict({
  read: z.array(PowerSource),
  /** The most it may draw, W. */
  budgetW: watts.optional(),
  /** Documented power modes, W. */
  modesW: z.array(watts).min(1).optional(),
  /** A hwmon file that holds 1 while the supply is too weak. */
  undervoltage: strict({ chip: name, file: name }).optional(),
});

const Gpu = strict({ read: z.array(GpuSource) }).default({ read: [] });

/** What Flotilla knows of one kind of board. The first source under `read` that yields a number is the one to use. */
export const Profile = strict({
  /** Also the name of its file and the first part of the hardware class. */
  id: z
    .string()
    .max(40)
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'lower case letters and digits, in words joined by "-"'),
  summary: z.string().min(1).max(200),
  /** A generic profile is for every machine of its architecture that no board profile fits. */
  kind: z.enum(['board', 'generic']),
  arch: z.enum(['arm64', 'x64']),
  /** CPU features that every such board has, as /proc/cpuinfo names them. */
  features: z.array(name).default([]),
  detect: Detect,
  accelerators: z.array(Accelerator).default([]),
  /** Best first. */
  providers: z.array(Provider).min(1),
  /** Those that pay, best first. */
  precisions: z.array(Precision).min(1),
  threads: Threads,
  memory: Memory,
  thermal: Thermal,
  power: Power,
  gpu: Gpu,
  /** The absolute ceiling of one inference's compute time in preflight, ms of CPU time. */
  maxComputeMs: z.number().positive(),
}).check(
  z.refine((profile) => (profile.kind === 'board') === hasBoardRule(profile.detect), {
    path: ['detect'],
    error: 'a board needs compatible or model; a generic profile has neither',
    abort: true,
  }),
  z.refine((profile) => profile.providers.some((provider) => !provider.needs), {
    path: ['providers'],
    error: 'one provider must need nothing: without an engine the device could run no model',
  }),
);
export type Profile = z.infer<typeof Profile>;

function hasBoardRule(detect: z.infer<typeof Detect>): boolean {
  return Boolean(detect.compatible ?? detect.model);
}
