import type { ExecutionProvider } from '@flotilla/protocol/device';
import { readFileSync } from 'node:fs';
import { EngineChild, type EngineCommand } from '../../engine-protocol/engine-child.js';
import { ProtocolFault } from '../../engine-protocol/frames.js';
import type { FromEngine, Hello, Progress } from '../../engine-protocol/messages.js';
import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import { type Probed, probe } from '../probe.js';
import type { Tensor } from '../tensor.js';
import { packTensors, unpackTensors } from './child-tensors.js';
import {
  type Engine,
  type EngineMemory,
  type EngineModel,
  type EngineRun,
  type EngineStats,
  type LoadedModel,
  ModelRefused,
} from './engine.js';

export type ChildEngineOptions = EngineCommand & {
  log: Logger;
  helloMs?: number;
  /** The longest that a model may take to load or to be compiled: TensorRT needs ten minutes on some boards. */
  loadMs?: number;
  onProgress?: (progress: Pick<Progress, 'phase' | 'fraction' | 'what'>) => void;
};
const usual = { helloMs: 60_000, loadMs: 30 * 60_000 } as const;
const statsEveryMs = 1000;
/** While an engine compiles it may be able to say nothing: it is said for it. */
const progressEveryMs = 5000;
const closeGraceMs = 1000;
type Of<T extends FromEngine['type']> = Extract<FromEngine, { type: T }>;

/** An engine in a process of its own, in whatever language: docs/engine-protocol.md. It may crash, hang and be killed without harm to this one. */
export class ChildEngine implements Engine {
  readonly concurrency = 1;
  readonly #options: ChildEngineOptions;
  readonly #child: EngineChild;
  readonly #hello: Promise<Hello>;
  #runs = 0;
  #failures = 0;
  /** When each run began that is not answered yet, in the order in which they are computed. */
  readonly #running = new Set<{ from: number }>();
  #lastDone = 0;
  #own: Of<'stats'> | undefined;
  #polling: NodeJS.Timeout | undefined;

  constructor(options: ChildEngineOptions) {
    this.#options = options;
    this.#child = new EngineChild(options, options.log);
    this.#hello = this.#child.hello(options.helloMs ?? usual.helloMs);
    this.#hello.catch(() => undefined); // told by `load`
  }

  onDeath(listener: (error: Error) => void): void {
    this.#child.onDeath(listener);
  }

  async load({ path, network, intraOpThreads, providers = ['cpu'], cacheFolder }: EngineModel): Promise<LoadedModel> {
    if (network !== undefined)
      throw new ModelRefused('an engine outside of the runner holds one network; a release of several needs the built-in one');
    const { engine, runtime } = await this.#hello;
    const order = { type: 'load', path, intraOpThreads, providers, cacheFolder } as const;
    const loaded = await this.#patiently(async (onProgress) => {
      const { message } = await this.#child.ask(order, [], onProgress);
      if (message.type === 'failed' && message.code === 'model-refused') throw new ModelRefused(message.reason);
      return expected(message, 'loaded');
    });
    const { name } = this.#options;
    this.#options.log.info(
      { engine: name, program: engine, runtime, providers: loaded.providers },
      'the engine loaded the model',
    );
    this.#polling ??= setInterval(() => this.#poll(), statsEveryMs).unref();
    this.#poll();
    const { inputs, outputs, loadMs } = loaded;
    return { inputs, outputs, loadMs, ...usedOf(providers, loaded.providers) };
  }

  async warm(runs: number, inputs: readonly Probed[], rows?: number): Promise<void> {
    const { places, payload } = packTensors(inputs.map((input) => probe(input, 1, rows)));
    await this.#patiently(async (onProgress) => {
      const { message } = await this.#child.ask({ type: 'warm', runs, tensors: places }, payload, onProgress);
      return expected(message, 'warmed');
    });
  }

  async run(inputs: readonly Tensor[]): Promise<EngineRun> {
    const { places, payload } = packTensors(inputs);
    const running = { from: performance.now() };
    this.#running.add(running);
    try {
      const answer = await this.#child.ask({ type: 'run', tensors: places }, payload);
      const { tensors, wallUs, cpuUs } = expected(answer.message, 'ran');
      this.#runs += 1;
      return { outputs: unpackTensors(tensors, answer.payload), wallUs, cpuUs };
    } catch (error) {
      this.#failures += 1;
      if (error instanceof ProtocolFault) this.#child.kill(`it broke the protocol: ${error.message}`);
      throw error;
    } finally {
      this.#running.delete(running);
      this.#lastDone = performance.now();
    }
  }

  stats(): EngineStats & { runningMs: number } {
    const [first] = this.#running;
    // One that waited for another began to compute when that was done.
    const runningMs = first ? performance.now() - Math.max(first.from, this.#lastDone) : 0;
    return { runs: this.#runs, failures: this.#failures, inFlight: this.#running.size, runningMs };
  }

  /** The larger of the kernel's figures and its own, and what it holds on the accelerator besides. */
  memory(): EngineMemory {
    const { rssBytes = 0, peakRssBytes = 0, deviceBytes = 0 } = this.#own ?? {};
    const seen = memoryOf(this.#child.pid);
    return {
      rssBytes: Math.max(rssBytes, seen.rssBytes) + deviceBytes,
      peakRssBytes: Math.max(peakRssBytes, seen.peakRssBytes) + deviceBytes,
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#polling);
    await this.#child.close(closeGraceMs);
  }

  abandon(): void {
    this.#child.kill('it is no longer needed');
  }

  /** It may be silent for minutes while it compiles, so that is said for it; but not for ever. */
  async #patiently<T>(work: (onProgress: (progress: Progress) => void) => Promise<T>): Promise<T> {
    const { loadMs = usual.loadMs, onProgress } = this.#options;
    let last: Progress | undefined;
    const say = () => last && onProgress?.(last);
    const repeated = setInterval(say, progressEveryMs);
    const timer = setTimeout(() => this.#child.kill(`its model was not ready within ${loadMs / 1000} s`), loadMs);
    try {
      return await work((progress) => {
        last = progress;
        say();
      });
    } finally {
      clearInterval(repeated);
      clearTimeout(timer);
    }
  }

  #poll(): void {
    // An engine that computes answers later; there is no use in asking twice.
    if (this.#child.asked > 0) return;
    this.#child
      .ask({ type: 'stats' })
      .then(({ message }) => (this.#own = expected(message, 'stats')))
      .catch((error: unknown) =>
        this.#options.log.warn({ engine: this.#options.name }, `the engine gave no stats: ${messageOf(error)}`),
      );
  }
}

function expected<T extends FromEngine['type']>(message: FromEngine, type: T): Of<T> {
  if (message.type === 'failed') throw new Error(message.reason);
  if (message.type !== type) throw new ProtocolFault(`the engine answered "${message.type}" where "${type}" was due`);
  return message as Of<T>;
}

/** The best of those asked for that the session really has. */
function usedOf(asked: readonly ExecutionProvider[], used: readonly string[]): Pick<LoadedModel, 'provider' | 'shortfall'> {
  const provider = asked.find((name) => used.includes(name)) ?? 'cpu';
  if (provider === asked[0]) return { provider };
  return {
    provider,
    shortfall: `${asked[0]} was asked for, and the session has ${used.join(' and ') || 'nothing that is known'}`,
  };
}

/** Nothing where there is no /proc, or the process is gone. */
function memoryOf(pid: number | undefined): EngineMemory {
  let status = '';
  try {
    if (process.platform === 'linux' && pid !== undefined) status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // gone
  }
  const kilobytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { rssBytes: kilobytes('VmRSS'), peakRssBytes: kilobytes('VmHWM') };
}
