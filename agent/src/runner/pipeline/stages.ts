import type { Decode } from '@flotilla/protocol/device';
import type { Findings } from '../../prediction.js';
import type { AnyMemory, Memory } from './memory/memory.js';
import type { Tensor, TensorData } from '../tensor.js';

/** How the picture lies in the model's input: `input = seen × scale + shift`, in pixels. Seen is the whole picture, after EXIF. */
export type View = { scaleX: number; scaleY: number; shiftX: number; shiftY: number; width: number; height: number };

/** Numbers and categories by name. */
export type FeatureValues = Readonly<Record<string, unknown>>;

/** What one step of preprocessing hands to the next. */
export type Stage =
  | { kind: 'encoded'; bytes: Uint8Array }
  | Raw
  /** Not decoded before its pixels are asked for: what is read and what is resized never lie whole in memory together. */
  | Picture
  /** Each goes through the steps that follow by itself, and is an inference of its own; what they find is put together. */
  | { kind: 'tiles'; tiles: readonly Picture[] }
  | Pixels
  | { kind: 'features'; values: FeatureValues }
  | SignalChunk
  | Signal
  | SignalWindow
  /** Each goes through the steps that follow by itself, and is an inference of its own; there may be none. */
  | { kind: 'windows'; windows: readonly SignalWindow[] }
  | Made;
/** A picture that needs no decoder: rows from the top, red, green and blue, or one grey. */
export type Raw = { kind: 'raw'; data: Uint8Array; width: number; height: number; channels: 1 | 3 };
export type Size = { width: number; height: number };
/** Of a picture: from its upper left corner. */
export type Part = Size & { left: number; top: number };
/** Red, green and blue, 8 bits each. */
export type Rgb = Size & { data: Uint8Array };
export type Picture = {
  kind: 'picture';
  pixels: () => Promise<Rgb>;
  /** Gives the memory of the decoded pixels back at once: nothing may look at them, nor at what was cut out of them, any more. */
  free?: () => void;
  width: number;
  height: number;
  colour: Decode['colour'];
  /** The whole picture that this one was cut out of, and where. */
  cut?: Part;
};
/** Interleaved, 8 bits a channel: red, green and blue, or one grey. */
export type Pixels = {
  kind: 'pixels';
  data: Uint8Array;
  width: number;
  height: number;
  channels: 1 | 3;
  colour: Decode['colour'];
  view: View;
};
export type Made = { kind: 'tensor'; type: Tensor['type']; shape: readonly number[]; data: TensorData; view?: View };

/** As a source sends it: interleaved by channel. `isWhole`: a file of its own, nothing of which came before. */
export type SignalChunk = { kind: 'chunk'; data: Float32Array; rate: number; channels: number; isWhole?: boolean };
/** Each channel by itself. */
export type Signal = { kind: 'signal'; planes: readonly Float32Array[]; rate: number };
/** `at`: when its first sample (of the context, the one after it) was taken, in milliseconds. `uncertain`: why less can be made of it. */
export type SignalWindow = {
  kind: 'window';
  planes: readonly Float32Array[];
  rate: number;
  at: number;
  uncertain: string | undefined;
};
export type SignalShape = { channels: number; rate: number };

/** When the input was taken, in milliseconds since 1970, and what is remembered of its stream; nothing where there is no stream. */
export type Moment = { at: number; memory?: Memory | undefined };
export type Preprocess = (before: Stage, moment?: Moment) => Stage | Promise<Stage>;
/** The stage that the plan has promised; another one is a bug. */
export function expectStage<K extends Stage['kind']>(stage: Stage, kind: K): Extract<Stage, { kind: K }> {
  if (stage.kind !== kind) throw new Error(`a step takes ${kind} and got ${stage.kind}`);
  return stage as Extract<Stage, { kind: K }>;
}

/** Boxes before they are named: left, top, right, bottom of each in pixels of the model's input, best first. */
export type Candidates = {
  corners: Float32Array;
  scores: Float32Array;
  classes: Int32Array;
  /** x and y of four corners of each, clockwise from the top left, where boxes may lie at an angle. */
  quads?: Float32Array;
  count: number;
  labels: readonly string[];
};

/** What one step of postprocessing hands to the next. */
export type Answering = {
  outputs: readonly Tensor[];
  view: View | undefined;
  candidates?: Candidates;
  findings: Findings;
  /** Absent for tensors that somebody sent, of which nothing is remembered: steps over time pass them over. */
  moment?: Moment | undefined;
  /** A step over time has not come to a decision, and those after it can't. */
  undecided?: boolean;
};
export type Postprocess = (before: Answering) => Answering;

/** What a step may look at when it is opened. */
export type Surroundings = {
  outputs: readonly { name: string; shape: readonly number[] }[];
  /** Lines of a file of the release. `classes`: how many there must be; −1 or undefined where the model does not say. */
  labels: (file: string, classes: number | undefined) => Promise<string[]>;
  /** What the release's signal step makes. */
  signal?: SignalShape | undefined;
  /** Told by each step that remembers something. */
  remember?: (memory: AnyMemory) => void;
};
