import { z } from 'zod';
import { Debounce, Hysteresis, Segments, Vote, overTimeProblem } from './over-time.js';
import { ReleasePath, type TensorSignature } from './tensors.js';

const outputName = z.string().min(1).max(256);
const fraction = z.number().min(0).max(1);
const strictly = z.strictObject;
/** Where nothing is said, the first output. */
const output = outputName.optional();

/** `thresholds`: one for all classes, or one each, in the order of the labels. */
export const MultiLabel = strictly({
  labels: ReleasePath,
  thresholds: z.union([fraction, z.array(fraction).min(1).max(10_000)]),
  output,
});
export type MultiLabel = z.infer<typeof MultiLabel>;

/** MediaPipe's SsdAnchorsCalculatorOptions, by the same names. */
export const SsdAnchors = strictly({
  numLayers: z.int().min(1).max(16),
  minScale: z.number().gt(0),
  maxScale: z.number().gt(0),
  inputSizeWidth: z.int().min(1).max(8192),
  inputSizeHeight: z.int().min(1).max(8192),
  anchorOffsetX: z.number().default(0.5),
  anchorOffsetY: z.number().default(0.5),
  strides: z.array(z.int().min(1)).min(1).max(16),
  aspectRatios: z.array(z.number().gt(0)).max(16),
  reduceBoxesInLowestLayer: z.boolean().default(false),
  interpolatedScaleAspectRatio: z.number().min(0).default(1),
  fixedAnchorSize: z.boolean().default(false),
}).refine(({ numLayers, strides }) => numLayers === strides.length, 'strides must have one entry for each of numLayers');
export type SsdAnchors = z.infer<typeof SsdAnchors>;

/** MediaPipe's TensorsToDetectionsCalculatorOptions, by the same names. `scores` and `boxes`: outputs, each list read one after the other. */
export const SsdBoxes = strictly({
  anchors: SsdAnchors,
  scores: z.array(outputName).min(1).max(16),
  boxes: z.array(outputName).min(1).max(16),
  xScale: z.number().gt(0),
  yScale: z.number().gt(0),
  wScale: z.number().gt(0),
  hScale: z.number().gt(0),
  boxCoordOffset: z.int().min(0).default(0),
  reverseOutputOrder: z.boolean().default(false),
  applyExponentialOnBoxSize: z.boolean().default(false),
  sigmoidScore: z.boolean().default(false),
  scoreClippingThresh: z.number().gt(0).optional(),
  minScoreThresh: fraction,
  labels: ReleasePath,
});
export type SsdBoxes = z.infer<typeof SsdBoxes>;

/** `v5`: [1, boxes, 5 + classes], objectness times class. `v8`: [1, 4 + classes, boxes]. Both: centre, width and height in pixels of the input. */
export const YoloBoxes = strictly({ format: z.enum(['v5', 'v8']), minScore: fraction, labels: ReleasePath, output });
export type YoloBoxes = z.infer<typeof YoloBoxes>;

/**
 * PP-OCR's DBPostProcess of [1, 1, height, width], by these names there: thresh, box_thresh, unclip_ratio, max_candidates. Each connected region above
 * `threshold` becomes the smallest rectangle around it, its score the mean within; `unclip` makes it larger by as much of its area over its girth.
 */
export const DbBoxes = strictly({
  threshold: fraction.default(0.3),
  minScore: fraction.default(0.6),
  unclip: z.number().min(0).max(10).default(1.5),
  maxBoxes: z.int().min(1).max(1000).default(1000),
  /** Shorter rectangles are noise; pixels of the map. */
  minSide: z.number().min(0).default(3),
  /** `reading`: line by line from the top, each from the left. */
  order: z.enum(['best', 'reading']).default('best'),
  label: z.string().min(1).max(128).default('text'),
  output,
});
export type DbBoxes = z.infer<typeof DbBoxes>;

/** Greedy, class by class: a box goes that overlaps a better one of its class by more than `iou`. */
export const Nms = strictly({ iou: fraction, maxBoxes: z.int().min(1).max(1000).default(100) });
export type Nms = z.infer<typeof Nms>;

/** Greedy decoding of [1, steps, classes]; the labels are the characters of all classes but `blank`, one a line. */
export const Ctc = strictly({ labels: ReleasePath, blank: z.int().min(0).default(0), output });
export type Ctc = z.infer<typeof Ctc>;

/** A number from the answer: `value × scale + offset`, in its unit. */
export const Values = z
  .array(
    strictly({
      name: z.string().min(1).max(128),
      unit: z.string().max(32).optional(),
      index: z.int().min(0).default(0),
      scale: z.number().default(1),
      offset: z.number().default(0),
      output,
    }),
  )
  .min(1)
  .max(256);
export type Values = z.infer<typeof Values>;

/** Each pixel's best class, counted: [1, classes, height, width] or [1, height, width, classes]. */
export const Areas = strictly({ labels: ReleasePath, layout: z.enum(['NCHW', 'NHWC']), output });
export type Areas = z.infer<typeof Areas>;

/** The one number of an output, an anomaly from the threshold on. */
export const Anomaly = strictly({ threshold: z.number(), output });
export type Anomaly = z.infer<typeof Anomaly>;

const ofNothing = strictly({ output });
export const PostprocessStep = z
  .union([
    strictly({ softmax: ofNothing }),
    strictly({ sigmoid: ofNothing }),
    strictly({ 'top-k': strictly({ k: z.int().min(1).max(1000), labels: ReleasePath }) }),
    strictly({ 'multi-label': MultiLabel }),
    strictly({ 'ssd-boxes': SsdBoxes }),
    strictly({ 'yolo-boxes': YoloBoxes }),
    strictly({ 'db-boxes': DbBoxes }),
    strictly({ nms: Nms }),
    strictly({ ctc: Ctc }),
    strictly({ values: Values }),
    strictly({ areas: Areas }),
    strictly({ anomaly: Anomaly }),
    strictly({ hysteresis: Hysteresis }),
    strictly({ vote: Vote }),
    strictly({ debounce: Debounce }),
    strictly({ segments: Segments }),
  ])
  .meta({ id: 'PostprocessStep' });
export type PostprocessStep = z.infer<typeof PostprocessStep>;

/** Files of labels that the steps read, each with how many lines there must be; undefined where the model does not say. */
export const labelFiles = (steps: readonly PostprocessStep[]): string[] =>
  steps.flatMap((step) => Object.values(step).flatMap((options) => ('labels' in options ? [options.labels] : [])));

const scoring = new Set(['softmax', 'sigmoid']);
const boxing = new Set(['ssd-boxes', 'yolo-boxes', 'db-boxes']);

/** Why the steps make no sense together, or not with these outputs; undefined when they do. */
export function postprocessProblem(steps: readonly PostprocessStep[], outputs: readonly TensorSignature[]): string | undefined {
  const names = steps.map((step) => Object.keys(step).join());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  const given = `postprocess is ${names.join(', ')}`;
  if (twice) return `${given}: ${twice} is there twice`;
  const misplaced = overTimeProblem(names);
  if (misplaced) return `${given}: ${misplaced}`;
  const late = names.findIndex((name, i) => scoring.has(name) && names.slice(0, i).some((before) => !scoring.has(before)));
  if (late >= 0) return `${given}: ${names[late]} must come before the steps that read its scores`;
  if (names.filter((name) => boxing.has(name)).length > 1) return `${given}: boxes are decoded in one way`;
  const nms = names.indexOf('nms');
  if (nms >= 0 && !names.slice(0, nms).some((name) => boxing.has(name)))
    return `${given}: nms must follow ssd-boxes, yolo-boxes or db-boxes`;
  const known = new Set(outputs.map(({ name }) => name));
  const stranger = steps.flatMap(namedOutputs).find((name) => !known.has(name));
  return stranger === undefined ? undefined : `postprocess reads the output "${stranger}"; there are ${[...known].join(', ')}`;
}

function namedOutputs(step: PostprocessStep): string[] {
  if ('ssd-boxes' in step) return [...step['ssd-boxes'].scores, ...step['ssd-boxes'].boxes];
  if ('hysteresis' in step) {
    const { score } = step.hysteresis;
    return typeof score === 'object' && 'index' in score && score.output !== undefined ? [score.output] : [];
  }
  if ('values' in step) return step.values.flatMap(({ output: name }) => name ?? []);
  return Object.values(step).flatMap((options) => ('output' in options && options.output) || []);
}
