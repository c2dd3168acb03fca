import { z } from 'zod';
import { Signal, Waveform, Window, channelsOf, waveformShape, windowLength } from './signal.js';
import { Detrend, LogMel, Scale, Spectrum, Standardise, logMelShape, spectrumShape } from './signal-steps.js';
import type { Datatype } from './tensors.js';
import { Tile } from './tile.js';

const triple = z.tuple([z.number(), z.number(), z.number()]);
const single = z.tuple([z.number()]);
const level = z.int().min(0).max(255);
const side = z.int().min(1).max(8192);
const layout = z.enum(['NCHW', 'NHWC']);

/** `grey-bt601` is one channel, 0.299 R + 0.587 G + 0.114 B. `alpha` is dropped, and a CMYK picture converted, where nothing is said. */
export const Decode = z.strictObject({
  colour: z.enum(['rgb', 'bgr', 'grey-bt601']).default('rgb'),
  exif: z.enum(['apply', 'ignore']).default('apply'),
  icc: z.enum(['ignore', 'apply']).default('ignore'),
  alpha: z.union([z.literal('drop'), z.strictObject({ over: z.tuple([level, level, level]) })]).optional(),
  cmyk: z.enum(['convert', 'refuse']).optional(),
});
export type Decode = z.infer<typeof Decode>;

/** A part of the picture as it is seen, after EXIF; fractions are of its width and height, rounded to whole pixels. */
export const Crop = z
  .strictObject({
    left: z.number().min(0),
    top: z.number().min(0),
    width: z.number().gt(0),
    height: z.number().gt(0),
    unit: z.enum(['pixels', 'fraction']),
  })
  .check(({ value: { left, top, width, height, unit }, issues }) => {
    const input = { left, top, width, height };
    if (unit === 'fraction' && Math.max(left + width, top + height) > 1 + 1e-9)
      issues.push({ code: 'custom', message: 'left + width and top + height must be at most 1', input });
    if (unit === 'pixels' && !Object.values(input).every(Number.isInteger))
      issues.push({ code: 'custom', message: 'pixels must be whole numbers', input });
  });
export type Crop = z.infer<typeof Crop>;

/** `cropFraction`: the part of the scaled picture's shorter side that the crop keeps (centre-crop only). No default reference: resizers differ. */
export const Resize = z
  .strictObject({
    width: side,
    height: side,
    /** `within`: shrunk until it goes into width × height, never enlarged; `height`: to the height, as wide as it then is, `width` at most. */
    fit: z.enum(['centre-crop', 'stretch', 'letterbox', 'within', 'height']),
    cropFraction: z.number().gt(0).max(1).default(1),
    reference: z.enum(['pillow-bilinear', 'pillow-bicubic', 'opencv-linear', 'opencv-area', 'nearest']),
    /** What fills a letterbox: one level, or red, green and blue. */
    pad: z.union([level, z.tuple([level, level, level])]).optional(),
    /** Of `within`: each side to the nearest multiple, that much at least. */
    multipleOf: side.optional(),
    /** Of `height`: what is less wide is padded on the right. */
    minWidth: side.optional(),
    /** Where the picture lies in its letterbox; in the middle where nothing is said. */
    place: z.enum(['centre', 'top-left']).optional(),
  })
  .check(({ value, issues }) => {
    const wrong = letterboxProblem(value) ?? freeSizeProblem(value);
    if (wrong) issues.push({ code: 'custom', path: [wrong.key], message: wrong.message, input: value });
  });
export type Resize = z.infer<typeof Resize>;

function letterboxProblem({ fit, pad, place }: { fit: string; pad?: unknown; place?: unknown }) {
  if (fit === 'letterbox')
    return pad === undefined ? { key: 'pad', message: 'a letterbox needs a pad value, 0 to 255' } : undefined;
  if (pad !== undefined && fit !== 'height') return { key: 'pad', message: 'only a letterbox is padded' };
  return place === undefined ? undefined : { key: 'place', message: 'only a letterbox has room to place a picture in' };
}

type FreeSize = { fit: string; width: number; pad?: unknown; multipleOf?: number | undefined; minWidth?: number | undefined };

function freeSizeProblem({ fit, width, pad, multipleOf, minWidth }: FreeSize) {
  if (multipleOf !== undefined && fit !== 'within') return { key: 'multipleOf', message: 'only fit: within rounds its sides' };
  if (minWidth !== undefined && fit !== 'height') return { key: 'minWidth', message: 'only fit: height has a least width' };
  if (minWidth !== undefined && minWidth > width) return { key: 'minWidth', message: `it is above the width, ${width}` };
  return minWidth !== undefined && pad === undefined
    ? { key: 'pad', message: 'a least width needs a pad value, 0 to 255' }
    : undefined;
}

/** `(pixel − mean) / std` per channel, pixels in 0…255. */
export const Normalise = z.strictObject({ mean: z.union([triple, single]), std: z.union([triple, single]), layout });
export type Normalise = z.infer<typeof Normalise>;

/** Pixels as they are, for a model that takes UINT8. */
export const PixelsStep = z.strictObject({ layout });
export type PixelsStep = z.infer<typeof PixelsStep>;

/** ONNX's QuantizeLinear: round half to even (value / scale) + zeroPoint, saturated. */
export const Quantize = z.strictObject({
  scale: z.number().gt(0),
  zeroPoint: z.int().min(-128).max(255),
  type: z.enum(['UINT8', 'INT8']),
});
export type Quantize = z.infer<typeof Quantize>;

const missing = z.union([z.literal('refuse'), z.number()]);
/** One named feature: a number, scaled or not, or one of a list of categories. `missing`: the raw value to put in its place, or refuse. */
export const Feature = z.union([
  z.strictObject({
    name: z.string().min(1).max(128),
    scale: z
      .union([
        z.strictObject({ mean: z.number(), std: z.number().gt(0) }),
        z.strictObject({ min: z.number(), max: z.number() }).refine(({ min, max }) => min < max, 'min must be below max'),
      ])
      .optional(),
    missing: missing.default('refuse'),
  }),
  z.strictObject({
    name: z.string().min(1).max(128),
    /** One column each, in this order. */
    'one-hot': z.array(z.string().min(1).max(128)).min(2).max(1000),
    /** `zeros`: no category at all. */
    missing: z.enum(['refuse', 'zeros']).default('refuse'),
    unknown: z.enum(['refuse', 'zeros']).default('refuse'),
  }),
]);
export type Feature = z.infer<typeof Feature>;
export const Features = z.array(Feature).min(1).max(4096);
export type Features = z.infer<typeof Features>;

export const PreprocessStep = z
  .union([
    z.strictObject({ decode: Decode }),
    z.strictObject({ crop: Crop }),
    z.strictObject({ tile: Tile }),
    z.strictObject({ resize: Resize }),
    z.strictObject({ normalise: Normalise }),
    z.strictObject({ pixels: PixelsStep }),
    z.strictObject({ quantize: Quantize }),
    z.strictObject({ features: Features }),
    z.strictObject({ signal: Signal }),
    z.strictObject({ window: Window }),
    z.strictObject({ waveform: Waveform }),
    z.strictObject({ detrend: Detrend }),
    z.strictObject({ standardise: Standardise }),
    z.strictObject({ scale: Scale }),
    z.strictObject({ spectrum: Spectrum }),
    z.strictObject({ 'log-mel': LogMel }),
  ])
  .meta({ id: 'PreprocessStep' });
export type PreprocessStep = z.infer<typeof PreprocessStep>;

/** What a release is asked with. */
export type Asked = 'picture' | 'features' | 'signal';
type Made = { type: Datatype; shape: readonly number[] };
type Channels = 1 | 3;
/** What lies between two steps, as far as it is known before the first input. */
type Between =
  | { is: 'nothing' }
  | { is: 'a picture' | 'tiles'; channels: Channels }
  | { is: 'pixels'; channels: Channels; width: number; height: number }
  | { is: 'a signal'; channels: number; rate: number }
  | { is: 'a window'; channels: number; rate: number; samples: number }
  | ({ is: 'a tensor' } & Made);
type Told = Between | { problem: string };

/** How each step carries on from the one before: undefined where it can't. */
const follow: { [K in StepName]: (step: OptionsOf<K>, before: Between) => Told | undefined } = {
  decode: ({ colour }, before) =>
    before.is === 'nothing' ? { is: 'a picture', channels: colour === 'grey-bt601' ? 1 : 3 } : undefined,
  crop: (_step, before) => (before.is === 'a picture' ? before : undefined),
  tile: (_step, before) => (before.is === 'a picture' ? { ...before, is: 'tiles' } : undefined),
  resize: ({ width, height, fit }, before) => {
    if (before.is !== 'a picture' && before.is !== 'tiles') return undefined;
    const [freeWidth, freeHeight] = [fit === 'within' || fit === 'height', fit === 'within'];
    return { is: 'pixels', channels: before.channels, width: freeWidth ? -1 : width, height: freeHeight ? -1 : height };
  },
  normalise: ({ mean, std, layout: order }, before) => {
    if (before.is !== 'pixels') return undefined;
    if (mean.length !== before.channels || std.length !== before.channels)
      return { problem: `normalise has ${mean.length} means and ${std.length} deviations for ${before.channels} channels` };
    return { is: 'a tensor', type: 'FP32', shape: pictureShape(before, order) };
  },
  pixels: ({ layout: order }, before) =>
    before.is === 'pixels' ? { is: 'a tensor', type: 'UINT8', shape: pictureShape(before, order) } : undefined,
  quantize: ({ type, zeroPoint }, before) => {
    if (before.is !== 'a tensor' || before.type !== 'FP32') return undefined;
    const [least, most] = type === 'UINT8' ? [0, 255] : [-128, 127];
    if (zeroPoint < least || zeroPoint > most)
      return { problem: `quantize has the zero point ${zeroPoint}, which is no ${type}` };
    return { is: 'a tensor', type, shape: before.shape };
  },
  features: (columns, before) => {
    if (before.is !== 'nothing') return undefined;
    const names = columns.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) return { problem: `features has "${twice}" twice` };
    return { is: 'a tensor', type: 'FP32', shape: [1, columns.reduce((sum, column) => sum + columnsOf(column), 0)] };
  },
  signal: (step, before) =>
    before.is === 'nothing' ? { is: 'a signal', channels: channelsOf(step), rate: step.rate } : undefined,
  window: (step, before) => (before.is === 'a signal' ? { ...before, is: 'a window', samples: windowLength(step) } : undefined),
  waveform: (step, before) => {
    if (before.is !== 'a window') return undefined;
    if (step.layout === 'NT' && before.channels !== 1)
      return { problem: `waveform has the layout NT, which is for one channel, and there are ${before.channels}` };
    return { is: 'a tensor', type: 'FP32', shape: waveformShape(step, before.channels, before.samples) };
  },
  detrend: (_step, before) => (before.is === 'a window' ? before : undefined),
  standardise: (_step, before) => (before.is === 'a window' ? before : undefined),
  scale: (pairs, before) => {
    if (before.is !== 'a window') return undefined;
    return pairs.length === 1 || pairs.length === before.channels
      ? before
      : { problem: `scale has ${pairs.length} pairs for ${before.channels} channels` };
  },
  spectrum: (step, before) => (before.is === 'a window' ? analysed(spectrumShape(step, before)) : undefined),
  'log-mel': (step, before) => (before.is === 'a window' ? analysed(logMelShape(step, before)) : undefined),
};

const analysed = (told: { shape: number[] } | { problem: string }): Told =>
  'problem' in told ? told : { is: 'a tensor', type: 'FP32', ...told };

type AllOf<T> = T extends unknown ? keyof T : never;
type StepName = AllOf<PreprocessStep>;
type OptionsOf<K extends StepName> = Extract<PreprocessStep, Record<K, unknown>>[K];

export const columnsOf = (feature: Feature): number => ('one-hot' in feature ? feature['one-hot'].length : 1);

const pictureShape = ({ channels, width, height }: { channels: Channels; width: number; height: number }, order: string) =>
  order === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels];

export const stepName = (step: object): string => Object.keys(step).join();

/** What the steps make of an input; undefined for a release that is asked with tensors. Or a sentence, where they make no sense together. */
export function preprocessing(steps: readonly PreprocessStep[]): ({ asked: Asked } & Made) | { problem: string } | undefined {
  if (steps.length === 0) return undefined;
  let between: Between = { is: 'nothing' };
  for (const step of steps) {
    const [name, options] = Object.entries(step)[0] as [StepName, never];
    const next: Told | undefined = follow[name](options, between);
    if (!next) return { problem: outOfOrder(steps, name, between) };
    if ('problem' in next) return next;
    between = next;
  }
  if (between.is !== 'a tensor') return { problem: outOfOrder(steps, 'the model', between) };
  return { asked: askedBy(steps[0]!), type: between.type, shape: between.shape };
}

const askedBy = (first: PreprocessStep): Asked => ('features' in first ? 'features' : 'signal' in first ? 'signal' : 'picture');

const outOfOrder = (steps: readonly PreprocessStep[], name: string, { is }: Between) =>
  `preprocess is ${steps.map(stepName).join(', ')}: ${name} can't follow ${is}; it must be decode, crop if any, tile if any, resize, then normalise or pixels, quantize if any; or features, quantize if any; or signal, window, detrend, standardise or scale if any, then waveform, spectrum or log-mel, quantize if any`;

/** Why the steps and the model's inputs don't go together; undefined when they do. */
export function preprocessProblem(
  steps: readonly PreprocessStep[],
  inputs: readonly { name: string; type: Datatype; shape: readonly number[] }[],
): string | undefined {
  const made = preprocessing(steps);
  if (!made || 'problem' in made) return made?.problem;
  const [input, ...others] = inputs;
  if (!input || others.length > 0) return `preprocess makes one tensor, but there are ${inputs.length} inputs`;
  const { type, shape } = input;
  const fits = shape.length === made.shape.length && shape.every((size, i) => size === -1 || size === made.shape[i]);
  return fits && type === made.type
    ? undefined
    : `preprocess makes ${made.type} [${made.shape.join(',')}], but input "${input.name}" takes ${type} [${shape.join(',')}]`;
}
