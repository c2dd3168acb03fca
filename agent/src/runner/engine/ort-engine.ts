import { Worker } from 'node:worker_threads';
import { messageOf } from '../fault.js';
import { type Tensor, probe } from '../tensor.js';
import { type Engine, type EngineModel, type EngineRun, type EngineStats, type LoadedModel, ModelRefused } from './engine.js';
import type { FromWorker, ToWorker } from './worker-messages.js';

type Pending = { resolve: (answer: FromWorker) => void; reject: (error: Error) => void };

// From dist this is JavaScript; from the sources Node strips the worker's types.
const workerUrl = new URL(`./ort-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** ONNX Runtime on one worker thread with one session, so that probes, queue and heartbeat stay live while it computes. */
export class OrtEngine implements Engine {
  readonly #worker = new Worker(workerUrl);
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #runs = 0;
  #failures = 0;
  #model: LoadedModel | undefined;
  #broken: Error | undefined;
  #onDeath: (error: Error) => void = () => undefined;

  constructor() {
    this.#worker.on('message', (answer: FromWorker) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#die(new Error(`the engine's thread failed: ${messageOf(error)}`)));
    this.#worker.on('exit', (code) => this.#die(new Error(`the engine's thread ended with ${code}`)));
  }

  /** The thread is gone and with it every later answer; the process had better follow. Told at once where it is gone already. */
  onDeath(listener: (error: Error) => void): void {
    this.#onDeath = listener;
    if (this.#broken) listener(this.#broken);
  }

  async load(model: EngineModel): Promise<LoadedModel> {
    const answer = await this.#ask({ type: 'load', id: this.#next++, ...model });
    if (answer.type === 'failed') throw new ModelRefused(answer.reason);
    if (answer.type !== 'loaded') throw new Error(`the engine answered "${answer.type}" to load`);
    this.#model = answer;
    return answer;
  }

  async warm(runs: number): Promise<void> {
    if (!this.#model) throw new Error('no model is loaded');
    for (let i = 0; i < runs; i++) await this.run(this.#model.inputs.map((input) => probe(input, i)));
  }

  async run(inputs: readonly Tensor[]): Promise<EngineRun> {
    const buffers = inputs.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
    const answer = await this.#ask({ type: 'run', id: this.#next++, inputs }, [...new Set(buffers)]);
    if (answer.type !== 'ran') {
      this.#failures += 1;
      throw new Error(answer.type === 'failed' ? answer.reason : `the engine answered "${answer.type}" to run`);
    }
    this.#runs += 1;
    return answer;
  }

  stats(): EngineStats {
    return { runs: this.#runs, failures: this.#failures, inFlight: this.#pending.size };
  }

  async close(): Promise<void> {
    if (this.#pending.size > 0) throw new Error('the engine still computes; ending its thread now would abort the process');
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #ask(message: ToWorker, transfer: ArrayBuffer[] = []): Promise<FromWorker> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#worker.postMessage(message, transfer);
      this.#pending.set(message.id, { resolve, reject });
    });
  }

  #settle(answer: FromWorker): void {
    this.#pending.get(answer.id)?.resolve(answer);
    this.#pending.delete(answer.id);
  }

  #die(error: Error): void {
    if (this.#broken) return;
    this.#broken = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#onDeath(error);
  }
}
