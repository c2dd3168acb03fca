import { Worker } from 'node:worker_threads';
import { messageOf } from '../../errors.js';
import type { FromWorker, ToWorker, WorkerBegun } from './worker-messages.js';

type Pending = { resolve: (answer: FromWorker) => void; reject: (error: Error) => void };
/** Without its number, which is given here. */
type Asked<T extends ToWorker = ToWorker> = T extends ToWorker ? Omit<T, 'id'> : never;

// From dist this is JavaScript; from the sources Node strips the worker's types.
const workerUrl = new URL(`./ort-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

// From 1.29 on ONNX Runtime tells its maker what is computed where, and keeps a database for it on the device. It asks once, when it is loaded.
process.env['ORT_DISABLE_TELEMETRY'] = '1';

/** One worker thread with a session for each network: what it is asked is done one after the other. */
export class OrtThread {
  readonly #worker = new Worker(workerUrl);
  readonly #pending = new Map<number, Pending>();
  readonly #started = Promise.withResolvers<void>();
  #next = 0;
  /** When it took up what it works on now. */
  #begun = 0;
  #broken: Error | undefined;

  constructor(private readonly onDeath: (error: Error) => void) {
    this.#worker.on('message', (answer: FromWorker | WorkerBegun) => {
      if (answer.type === 'begun') this.#started.resolve();
      else this.#settle(answer);
    });
    this.#worker.on('error', (error) => this.#die(new Error(`the engine's thread failed: ${messageOf(error)}`)));
    this.#worker.on('exit', (code) => this.#die(new Error(`the engine's thread ended with ${code}`)));
  }

  /** Until then it can't be cut: a thread that ends while it reads ONNX Runtime takes the process down with it. */
  get begun(): Promise<void> {
    return this.#started.promise;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /** How long it has worked on what it does now. */
  get busyMs(): number {
    return this.#pending.size === 0 ? 0 : performance.now() - this.#begun;
  }

  ask(message: Asked, transfer: ArrayBuffer[] = []): Promise<FromWorker> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#worker.postMessage({ ...message, id }, transfer);
      if (this.#pending.size === 0) this.#begun = performance.now();
      this.#pending.set(id, { resolve, reject });
    });
  }

  async close(): Promise<void> {
    await this.begun;
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #settle(answer: FromWorker): void {
    const asked = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    this.#begun = performance.now();
    asked?.resolve(answer);
  }

  #die(error: Error): void {
    if (this.#broken) return;
    this.#broken = error;
    this.#started.resolve();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.onDeath(error);
  }
}
