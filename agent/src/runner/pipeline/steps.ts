import type { PostprocessStep, PreprocessStep } from '@flotilla/protocol/device';
import type { Postprocess, Preprocess, Surroundings } from './stages.js';

type AllOf<T> = T extends unknown ? keyof T : never;
type Openers<Step, Run> = {
  readonly [K in AllOf<Step>]: () => Promise<
    (options: Extract<Step, Record<K, unknown>>[K], around: Surroundings) => Run | Promise<Run>
  >;
};

/** Loaded when a release declares them: a step that nobody uses costs no memory. A new step is a file and a line here. */
const preprocessSteps: Openers<PreprocessStep, Preprocess> = {
  decode: async () => (await import('./preprocess/decode.js')).openDecode,
  crop: async () => (await import('./preprocess/crop.js')).openCrop,
  tile: async () => (await import('./preprocess/tile.js')).openTile,
  resize: async () => (await import('./preprocess/resize.js')).openResize,
  normalise: async () => (await import('./preprocess/normalise.js')).openNormalise,
  pixels: async () => (await import('./preprocess/normalise.js')).openPixels,
  quantize: async () => (await import('./preprocess/quantize.js')).openQuantize,
  features: async () => (await import('./preprocess/features.js')).openFeatures,
  signal: async () => (await import('./preprocess/signal.js')).openSignal,
  window: async () => (await import('./preprocess/window.js')).openWindow,
  waveform: async () => (await import('./preprocess/waveform.js')).openWaveform,
  detrend: async () => (await import('./preprocess/levelled.js')).openDetrend,
  standardise: async () => (await import('./preprocess/levelled.js')).openStandardise,
  scale: async () => (await import('./preprocess/levelled.js')).openScale,
  spectrum: async () => (await import('./preprocess/spectra.js')).openSpectrum,
  'log-mel': async () => (await import('./preprocess/spectra.js')).openLogMel,
};
const postprocessSteps: Openers<PostprocessStep, Postprocess> = {
  softmax: async () => (await import('./postprocess/softmax.js')).openSoftmax,
  sigmoid: async () => (await import('./postprocess/softmax.js')).openSigmoid,
  'top-k': async () => (await import('./postprocess/top-k.js')).openTopK,
  'multi-label': async () => (await import('./postprocess/multi-label.js')).openMultiLabel,
  'ssd-boxes': async () => (await import('./postprocess/ssd-boxes.js')).openSsdBoxes,
  'yolo-boxes': async () => (await import('./postprocess/yolo-boxes.js')).openYoloBoxes,
  'db-boxes': async () => (await import('./postprocess/db-boxes.js')).openDbBoxes,
  nms: async () => (await import('./postprocess/nms.js')).openNms,
  ctc: async () => (await import('./postprocess/ctc.js')).openCtc,
  values: async () => (await import('./postprocess/values.js')).openValues,
  areas: async () => (await import('./postprocess/areas.js')).openAreas,
  anomaly: async () => (await import('./postprocess/anomaly.js')).openAnomaly,
  hysteresis: async () => (await import('./over-time/hysteresis.js')).openHysteresis,
  vote: async () => (await import('./over-time/vote.js')).openVote,
  debounce: async () => (await import('./over-time/debounce.js')).openDebounce,
  segments: async () => (await import('./over-time/segments.js')).openSegments,
};

export type Opened<Run> = { name: string; run: Run };

export const openPreprocess = (steps: readonly PreprocessStep[], around: Surroundings) => opened(preprocessSteps, steps, around);
export const openPostprocess = (steps: readonly PostprocessStep[], around: Surroundings) =>
  opened(postprocessSteps, steps, around);

async function opened<Step extends object, Run>(
  table: Openers<Step, Run>,
  steps: readonly Step[],
  around: Surroundings,
): Promise<Opened<Run>[]> {
  const all: Opened<Run>[] = [];
  for (const step of steps) {
    const [name, options] = Object.entries(step)[0] as [AllOf<Step> & string, never];
    const open = await table[name]();
    all.push({ name, run: await open(options, around) });
  }
  return all;
}
