import { type Probed, probe } from '../probe.js';
import { spareBuffers } from '../spare-buffers.js';
import type { Tensor } from '../tensor.js';
import { type Engine, type EngineModel, type EngineRun, type EngineStats, type LoadedModel, ModelRefused } from './engine.js';
import { OrtThread } from './ort-thread.js';
import type { FromWorker } from './worker-messages.js';

/** ONNX Runtime on worker threads, a session each, so that probes, queue and heartbeat stay live while it computes. */
export class OrtEngine implements Engine {
  readonly #threads: OrtThread[] = [];
  #runs = 0;
  #failures = 0;
  /** Runs, not loads. */
  #running = 0;
  #broken: Error | undefined;
  #onDeath: (error: Error) => void = () => undefined;

  /** The first thread begins to read its modules at once: how many are wanted is known only with the model. */
  constructor() {
    this.#begin(1);
  }

  get begun(): Promise<unknown> {
    return Promise.all(this.#threads.map((thread) => thread.begun));
  }

  get concurrency(): number {
    return this.#threads.length;
  }

  /** A thread is gone and with it its answers; the process had better follow. Told at once where it is gone already. */
  onDeath(listener: (error: Error) => void): void {
    this.#onDeath = listener;
    if (this.#broken) listener(this.#broken);
  }

  async load(model: EngineModel): Promise<LoadedModel> {
    const { path, network, intraOpThreads, workers = 1, providers = ['cpu'], fixedShapes = false } = model;
    this.#begin(workers);
    let loaded: LoadedModel | undefined;
    // One after the other: while it becomes a session a model takes about twice the memory that it keeps.
    for (const thread of this.#threads)
      loaded = await loadInto(thread, { path, network, intraOpThreads, workers, providers, fixedShapes });
    return loaded!;
  }

  async warm(runs: number, inputs: readonly Probed[], rows?: number, network?: string): Promise<void> {
    const made = (seed: number) => inputs.map((input) => probe(input, seed, rows));
    for (let i = 0; i < runs; i++) await Promise.all(this.#threads.map((thread) => this.#runOn(thread, made(i), network)));
  }

  run(inputs: readonly Tensor[], network?: string): Promise<EngineRun> {
    return this.#runOn(this.#leastBusy(), inputs, network);
  }

  stats(): EngineStats {
    const inFlight = this.#threads.reduce((sum, thread) => sum + thread.inFlight, 0);
    const runningMs = this.#running === 0 ? 0 : Math.max(...this.#threads.map(({ busyMs }) => busyMs));
    return { runs: this.#runs, failures: this.#failures, inFlight, runningMs };
  }

  async close(): Promise<void> {
    if (this.stats().inFlight > 0) throw new Error('the engine still computes; ending its thread now would abort the process');
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #begin(threads: number): void {
    while (this.#threads.length < threads) this.#threads.push(new OrtThread((error) => this.#die(error)));
  }

  #leastBusy(): OrtThread {
    return this.#threads.reduce((best, thread) => (thread.inFlight < best.inFlight ? thread : best));
  }

  async #runOn(thread: OrtThread, inputs: readonly Tensor[], network: string | undefined): Promise<EngineRun> {
    const buffers = inputs.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
    this.#running += 1;
    try {
      const answer = await thread.ask({ type: 'run', inputs, network }, [...new Set(buffers)]);
      if (answer.type !== 'ran')
        throw new Error(answer.type === 'failed' ? answer.reason : `the engine answered "${answer.type}" to run`);
      this.#runs += 1;
      for (const buffer of answer.spent) spareBuffers.give(buffer);
      return answer;
    } catch (error) {
      this.#failures += 1;
      throw error;
    } finally {
      this.#running -= 1;
    }
  }

  #die(error: Error): void {
    this.#broken ??= error;
    this.#onDeath(error);
  }
}

async function loadInto(
  thread: OrtThread,
  model: Required<Omit<EngineModel, 'cacheFolder' | 'network'>> & { network: string | undefined },
): Promise<Extract<FromWorker, { type: 'loaded' }>> {
  const answer = await thread.ask({ type: 'load', ...model });
  if (answer.type === 'failed') throw new ModelRefused(answer.reason);
  if (answer.type !== 'loaded') throw new Error(`the engine answered "${answer.type}" to load`);
  return answer;
}
