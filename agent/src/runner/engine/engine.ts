import type { ExecutionProvider, TensorSignature } from '@flotilla/protocol/device';
import type { Probed } from '../probe.js';
import type { Tensor } from '../tensor.js';

export type EngineModel = {
  path: string;
  /** Its name, where an engine holds several networks; what is loaded without one is meant where none is named. */
  network?: string;
  intraOpThreads: number;
  /** No input has a free dimension, so that every run takes the same memory. */
  fixedShapes?: boolean;
  /** Sessions side by side, each with its own copy of the weights. */
  workers?: number;
  /** What to compute on, best first; `cpu` is always there. */
  providers?: readonly ExecutionProvider[];
  /** For what an engine compiles and wants to find again. */
  cacheFolder?: string | undefined;
};
/** What the model file itself says it takes and gives; −1 is a free dimension. */
export type LoadedModel = {
  inputs: TensorSignature[];
  outputs: TensorSignature[];
  loadMs: number;
  /** What really computes. */
  provider: ExecutionProvider;
  /** Why none of the better ones that were asked for does. */
  shortfall?: string | undefined;
};
/** Wall and CPU time of the computation alone. */
export type EngineRun = { outputs: Tensor[]; wallUs: number; cpuUs: number };
/** `runningMs`: how long the run that takes longest now has computed; 0 when none does. */
export type EngineStats = { runs: number; failures: number; inFlight: number; runningMs: number };
export type EngineMemory = { rssBytes: number; peakRssBytes: number };

/** The replaceable part of a runner: this thread-based one, or a child process in another language. Input buffers are given away. */
export interface Engine {
  /** Until then the process can't be left in order. */
  readonly begun?: Promise<unknown>;
  /** How many runs it computes at once; more are taken and wait. */
  readonly concurrency: number;
  /** All that may take minutes, such as compiling for a GPU, belongs here: a run is cut off at its limit. */
  load(model: EngineModel): Promise<LoadedModel>;
  /** Runs on made-up inputs in every worker, so that the first real request does not pay for allocation. `rows` as for `probe`. */
  warm(runs: number, inputs: readonly Probed[], rows?: number, network?: string): Promise<void>;
  run(inputs: readonly Tensor[], network?: string): Promise<EngineRun>;
  stats(): EngineStats;
  /** Only when nothing is in flight: a computation can't be cut without losing the process. */
  close(): Promise<void>;
  /** The engine is gone and with it every later answer; the process had better follow. Told at once where it is gone already. */
  onDeath(listener: (error: Error) => void): void;
  /** What it holds outside of this process. */
  memory?(): EngineMemory;
  /** Ends it whatever it does. Only where that harms no one: a thread in the middle of a computation has no such thing. */
  abandon?(): void;
}

/** The model file could not become a session. */
export class ModelRefused extends Error {
  override readonly name = 'ModelRefused';
}
