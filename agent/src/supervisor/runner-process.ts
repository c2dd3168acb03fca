import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { causeOfDeath, type Death } from '../core/death.js';
import { UpdateFailure } from '../core/failure.js';
import { FromRunner, type ToRunner, type ToStub } from '../runner-protocol.js';
import { isErrno, messageOf } from '../errors.js';
import { giveWay } from './giving-way.js';
import { type MemoryLimits, offerToOutOfMemoryKiller, overCeiling, watchMemory } from './memory-watch.js';
import type { SlotSockets } from './slot-sockets.js';

type Of<T extends FromRunner['type']> = Extract<FromRunner, { type: T }>;
/** Lines for the log: what, and the fields to find it by. */
export type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;
export type RunnerProgram = {
  path: string;
  /** The program that stands in where no runner can serve. */
  stubPath: string;
  /** What a runner finds in its environment, besides the limits that every runner gets. */
  env?: NodeJS.ProcessEnv | undefined;
  log: Log;
};
type RunnerOptions = {
  /** Of the slot; the child inherits them. */
  sockets?: SlotSockets | undefined;
  /** To what else the machine does, until `claimShare` or for so long. */
  givesWayMs?: number | undefined;
};
/** What is kept an eye on once it has a release, while it loads too. */
export type Oversight = MemoryLimits & {
  /** An inference that takes longer hangs. */
  maxRunMs?: number | undefined;
  /** A serving runner that is silent for so long hangs. */
  heartbeatMs: number;
  onHeartbeat?: (heartbeat: Of<'heartbeat'>) => void;
  onWindow?: (window: Of<'window'>) => void;
  onProgress?: (progress: Of<'progress'>) => void;
};

/** No runner outlives its supervisor, even where its own watch on the channel fails. */
const living = new Set<ChildProcess>();
process.once('exit', () => living.forEach((child) => child.kill('SIGKILL')));

/** How long a runner that refused or was told to go may take before it is killed. */
const exitGraceMs = 2000;

/** A runner as a child process: what it says, parsed, and how it ends, classified. */
export class RunnerProcess {
  readonly pid: number | undefined;
  /** Resolves once, when the process is gone. */
  readonly exited: Promise<Death>;
  readonly #child: ChildProcess;
  readonly #log: Log;
  readonly #listeners = new Set<(message: FromRunner) => void>();
  readonly #outOfMemoryBefore = outOfMemoryKills();
  #endedFor: { failure: 'crash' | 'memory'; reason: string } | undefined;
  #oversight: Oversight | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #endMemoryWatch = () => {};
  #lastLine = '';
  #claim = () => {};

  constructor({ path, env, log }: Omit<RunnerProgram, 'stubPath'>, { sockets, givesWayMs }: RunnerOptions = {}) {
    this.#log = log;
    this.#child = fork(path, {
      // Its own process group: Ctrl-C in a terminal is the supervisor's business. It ends with the channel.
      detached: true,
      execArgv: [],
      env: { ...env, MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '2' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...(sockets?.descriptors ?? [])],
    });
    this.pid = this.#child.pid;
    this.#child.once('exit', () => this.#kill());
    living.add(this.#child);
    this.#child.on('message', (message) => this.#hear(message));
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream) this.#relay(stream);
    this.exited = this.#exit();
    if (givesWayMs !== undefined) this.#giveWay(givesWayMs);
    if (this.pid !== undefined) offerToOutOfMemoryKiller(this.pid);
  }

  oversee(oversight: Oversight): void {
    this.#oversight = oversight;
    if (this.pid === undefined) return;
    const isLoading = () => this.#watchdog === undefined;
    this.#endMemoryWatch();
    this.#endMemoryWatch = watchMemory(this.pid, oversight, isLoading, (reason) => this.end('memory', reason));
  }

  send(message: ToRunner | ToStub): void {
    if (!this.#child.connected) return;
    // Its end is told by `exited`.
    this.#child.send(
      message,
      (error) => error && this.#log.debug({ pid: this.pid }, `runner did not take ${message.type}: ${error.message}`),
    );
  }

  /** The next message of a type. Throws UpdateFailure when the runner refuses, ends, or takes too long. */
  async expect<T extends FromRunner['type']>(type: T, withinMs: number, signal?: AbortSignal): Promise<Of<T>> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Of<T>>();
    const listener = (message: FromRunner) => {
      if (message.type === 'progress') timer.refresh();
      else if (message.type === type) resolve(message as Of<T>);
      else if (message.type === 'failed') reject(new UpdateFailure(message.failure, message.reason));
    };
    const late = () =>
      reject(new UpdateFailure('crash', `the runner did not say "${type}" within ${withinMs / 1000} s: it hangs`));
    const timer = setTimeout(late, withinMs);
    const aborted = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', aborted);
    this.#listeners.add(listener);
    // A word said before the end still counts: the channel is emptied before `exited` resolves.
    void this.exited.then((death) => reject(new UpdateFailure(death.outside ? 'interrupted' : death.failure, death.reason)));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      this.#listeners.delete(listener);
    }
  }

  /** One that gave way counts as much as any other from here on. */
  claimShare(): void {
    const claim = this.#claim;
    this.#claim = () => {};
    if (this.#child.exitCode === null && this.#child.signalCode === null) claim();
  }

  /** From here on it must be heard from: a runner whose inference hangs says nothing. */
  watch(): void {
    clearTimeout(this.#watchdog);
    if (!this.#oversight) return;
    const { heartbeatMs } = this.#oversight;
    this.#watchdog = setTimeout(
      () => this.end('crash', `the runner hung: no heartbeat for ${heartbeatMs / 1000} s`),
      heartbeatMs,
    );
  }

  /** Lets it answer what came, then ends it. */
  async drain(graceMs: number): Promise<void> {
    clearTimeout(this.#watchdog);
    this.send({ type: 'drain', graceMs });
    await this.#gone(graceMs + exitGraceMs);
  }

  /** For one that is done, or has refused: it exits by itself, or is helped. */
  async leave(): Promise<void> {
    await this.#gone(exitGraceMs);
  }

  end(failure: 'crash' | 'memory', reason: string): void {
    this.#endedFor ??= { failure, reason };
    this.#kill();
  }

  async #gone(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#kill(), withinMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** With its group: an engine that computes may not see that its runner is gone. */
  #kill(): void {
    try {
      if (this.pid !== undefined) process.kill(-this.pid, 'SIGKILL');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }

  #hear(raw: unknown): void {
    const parsed = FromRunner.safeParse(raw);
    if (!parsed.success) {
      this.#log.warn({ pid: this.pid }, `runner said something unknown: ${parsed.error.issues[0]?.message}`);
      return;
    }
    const message = parsed.data;
    if (message.type === 'heartbeat') this.#beat(message);
    if (message.type === 'computing') this.#checkRun(message);
    if (message.type === 'window') this.#oversight?.onWindow?.(message);
    if (message.type === 'progress') this.#oversight?.onProgress?.(message);
    for (const listener of this.#listeners) listener(message);
  }

  #beat(heartbeat: Of<'heartbeat'>): void {
    if (!this.#oversight) return;
    if (this.#watchdog) this.watch();
    const excess = overCeiling(heartbeat.rssBytes, this.#oversight);
    if (excess !== undefined) this.end('memory', excess);
    else this.#oversight.onHeartbeat?.(heartbeat);
  }

  #checkRun({ forMs }: Of<'computing'>): void {
    const { maxRunMs = Infinity } = this.#oversight ?? {};
    if (forMs > maxRunMs)
      this.end('crash', `an inference ran for ${(forMs / 1000).toFixed(1)} s, the limit is ${maxRunMs / 1000} s`);
  }

  #exit(): Promise<Death> {
    return new Promise((resolve) => {
      const gone = (code: number | null, signal: string | null) => {
        living.delete(this.#child);
        clearTimeout(this.#watchdog);
        this.#endMemoryWatch();
        const outOfMemory = outOfMemoryKills() > this.#outOfMemoryBefore;
        const death = causeOfDeath({ code, signal, endedFor: this.#endedFor, outOfMemory });
        resolve(this.#lastLine ? { ...death, reason: `${death.reason}; its last words: ${this.#lastLine}` } : death);
      };
      // 'close' comes after the last line of output was read; 'error' without a process has no 'close'.
      this.#child.once('close', gone);
      this.#child.once('error', (error) => {
        if (this.pid !== undefined) return this.#log.warn({ pid: this.pid }, `runner: ${messageOf(error)}`);
        this.#lastLine = `it could not be started: ${messageOf(error)}`;
        gone(null, null);
      });
    });
  }

  #relay(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      this.#lastLine = line.slice(0, 500);
      this.#log.info({ pid: this.pid }, `runner: ${line.slice(0, 2000)}`);
    });
  }

  #giveWay(forMs: number): void {
    if (this.pid === undefined) return;
    const end = giveWay(this.pid);
    const timer = setTimeout(() => this.claimShare(), forMs).unref();
    void this.exited.then(() => clearTimeout(timer));
    this.#claim = () => {
      clearTimeout(timer);
      end();
    };
  }
}

/** Linux counts them for the whole machine: one that happened while this runner lived is taken as its own. */
function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return 0;
    throw error;
  }
}
