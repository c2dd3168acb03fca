import type { Digest, ExecutionProvider, Manifest, SlotName } from '@flotilla/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import type { Death } from '../core/death.js';
import { UpdateFailure } from '../core/failure.js';
import type { Committed, Heartbeat } from '../core/slot-state.js';
import type { ThreadShare } from '../core/thread-budget.js';
import type { BatchingTrial, FromRunner, PreflightFigures, SlotAddress, SourceConfig, ToRunner } from '../runner-protocol.js';
import type { StoredRelease } from './artifact-store.js';
import type { CredentialFiles } from './credential-files.js';
import { messageOf } from './durable-rename.js';
import type { MemoryLimits } from './memory-watch.js';
import { type Oversight, RunnerProcess, type RunnerProgram } from './runner-process.js';
import type { SlotSockets } from './slot-sockets.js';
import { Stub } from './stub.js';

export type Deadlines = {
  readyMs: number;
  sourceStoppedMs: number;
  activatedMs: number;
  heartbeatMs: number;
  preflightMs: number;
  /** For an incumbent to answer what came. */
  graceMs: number;
  /** For which clients may wait in the backlog while nothing serves: then a stub tells them. */
  standInMs: number;
};
export const usualDeadlines: Deadlines = {
  readyMs: 120_000,
  sourceStoppedMs: 2000,
  activatedMs: 10_000,
  heartbeatMs: 10_000,
  preflightMs: 600_000,
  graceMs: 5000,
  standInMs: 500,
};
/** `maxRunMs`: of one inference; a release may ask for less. */
export type Limits = MemoryLimits & { maxComputeMs: number; maxRunMs?: number | undefined };
export type WindowMessage = Extract<FromRunner, { type: 'window' }>;
export type RunnersOptions = {
  slot: SlotName;
  program: RunnerProgram;
  sockets?: SlotSockets | undefined;
  /** Begun before it was known what it will serve. */
  begun?: RunnerProcess | undefined;
  limits: Limits & ThreadShare;
  /** What this device offers, best first. */
  providers: readonly ExecutionProvider[];
  predictions: { file: string; maxBytes: number; keep: number };
  source?: SourceConfig | undefined;
  /** All slots of this device. */
  addresses: SlotAddress[];
  /** Of a slot that is exposed. */
  credentials?: Pick<CredentialFiles, 'current'> | undefined;
  windowS: number;
  deadlines: Deadlines;
  /** Its files, and what is known of it here. */
  open: (digest: Digest, variant: string) => Promise<StoredRelease & { batching?: BatchingTrial | undefined }>;
  onHeartbeat: (heartbeat: Omit<Heartbeat, 'at'>) => void;
  onDied: (run: number, death: Death) => void;
  onWindow: (window: WindowMessage) => void;
  onAlarm: (name: string, message: string) => void;
};
type Runner = Committed & { run: number; process: RunnerProcess; sourceStopped: boolean; leaving: boolean; rssBytes: number };
export type Activation = { type: 'activated' } | { type: 'failed' | 'swap-failed'; error: unknown };

/** The runners of one slot: one serves; another takes over from it while both hold the socket, so that no request is lost. */
export class SlotRunners {
  readonly #options: RunnersOptions;
  #windowS: number;
  #active: Runner | undefined;
  #begun: RunnerProcess | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** Cuts short the wait of a restart that something newer makes needless. */
  #waiting = new AbortController();
  #closed = new AbortController();
  readonly #leaving = new Set<Promise<void>>();
  readonly #stub: Stub;
  #gap: NodeJS.Timeout | undefined;

  constructor(options: RunnersOptions) {
    this.#options = options;
    this.#windowS = options.windowS;
    this.#stub = new Stub(options.program, options.sockets);
    this.#begun = options.begun;
    void this.#begun?.exited.then(() => (this.#begun = undefined));
  }

  get serving(): { digest: Digest; rssBytes: number } | undefined {
    return this.#active;
  }

  configure(windowS: number): void {
    this.#windowS = windowS;
    this.#active?.process.send({ type: 'configure', windowS });
  }

  /** What serves takes the new certificate and tokens; what comes later finds them. */
  secure(): void {
    const credentials = this.#options.credentials?.current;
    if (credentials) this.#active?.process.send({ type: 'secure', credentials });
  }

  /** Figures of one variant, measured in a runner that is thrown away. */
  async preflight(release: Committed, signal: AbortSignal): Promise<PreflightFigures> {
    const message = { type: 'preflight', ...(await this.#load(release)) } as const;
    const process = new RunnerProcess(this.#options.program, { lowPriority: true });
    try {
      process.oversee(this.#oversight(message.manifest));
      process.send(message);
      const { figures } = await process.expect('preflighted', this.#options.deadlines.preflightMs, signal);
      await process.leave();
      return figures;
    } finally {
      process.end('crash', 'preflight is over');
    }
  }

  /** Loads the candidate beside the incumbent, then swaps. */
  activate(run: number, release: Committed, signal: AbortSignal): Promise<Activation> {
    this.#waiting.abort();
    return this.#inTurn(async () => {
      let next: Runner;
      try {
        next = await this.#launch(run, release, AbortSignal.any([signal, this.#closed.signal]));
      } catch (error) {
        return { type: 'failed', error };
      }
      try {
        await this.#swap(next);
        return { type: 'activated' };
      } catch (error) {
        return { type: 'swap-failed', error };
      }
    });
  }

  /** Brings a committed release up, whatever serves now. False: something newer came while it waited. */
  serve(run: number, release: Committed, wait: { ms: number; why?: string | undefined }): Promise<boolean> {
    this.#waiting.abort();
    const waiting = (this.#waiting = new AbortController());
    return this.#inTurn(async () => {
      if (wait.why !== undefined && !this.#active) this.#standIn(wait.why);
      if (!(await waited(wait.ms, AbortSignal.any([waiting.signal, this.#closed.signal])))) return false;
      if (this.#active?.digest === release.digest && !this.#active.sourceStopped) {
        Object.assign(this.#active, { run, deployment: release.deployment });
        return true;
      }
      try {
        await this.#swap(await this.#launch(run, release, this.#closed.signal));
      } catch (error) {
        this.#standInSoon(messageOf(error));
        throw error;
      }
      return true;
    });
  }

  /** Nothing serves afterwards; a later `serve` or `activate` may begin again. */
  async stop(graceMs = this.#options.deadlines.graceMs): Promise<void> {
    this.#waiting.abort();
    this.#closed.abort(new Error('the slot is being stopped'));
    const closed = this.#closed;
    await this.#inTurn(async () => {
      this.#begunOrNone()?.end('crash', 'it was not needed');
      if (this.#active) this.#dismiss(this.#active, graceMs);
      this.#active = undefined;
      clearTimeout(this.#gap);
      if (this.#closed === closed) this.#closed = new AbortController();
      await Promise.all([...this.#leaving, this.#stub.end()]);
    });
  }

  /** One change at a time: a roll back asked for during a swap comes after it. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(change);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #launch(run: number, release: Committed, signal: AbortSignal): Promise<Runner> {
    const { predictions, source, deadlines, sockets, addresses: slots } = this.#options;
    const load = await this.#load(release);
    signal.throwIfAborted();
    const runner: Runner = { ...release, run, sourceStopped: false, leaving: false, rssBytes: 0, process: undefined! };
    runner.process = this.#begunOrNew();
    runner.process.oversee({
      ...this.#oversight(load.manifest),
      onHeartbeat: (heartbeat) => this.#beat(runner, heartbeat),
      // The runner knows the deployment that started it; the slot knows the one that it stands for now.
      onWindow: (m) => this.#options.onWindow({ ...m, window: { ...m.window, deployment: runner.deployment } }),
    });
    try {
      const { listen = {} } = sockets ?? {};
      const credentials = this.#options.credentials?.current;
      const windowS = this.#windowS;
      runner.process.send({ type: 'serve', ...load, listen, windowS, source, predictions, credentials, slots });
      const { rssBytes, provider, shortfall } = await runner.process.expect('ready', deadlines.readyMs, signal);
      runner.rssBytes = rssBytes;
      if (shortfall !== undefined)
        this.#options.onAlarm(
          'provider-not-used',
          `${release.release} computes on ${provider}, for want of a better one: ${shortfall}`,
        );
      return runner;
    } catch (error) {
      runner.process.end('crash', 'it was not ready');
      await runner.process.exited;
      throw error;
    }
  }

  async #swap(next: Runner): Promise<void> {
    const { deadlines, slot, program } = this.#options;
    const incumbent = this.#active;
    if (incumbent) {
      incumbent.sourceStopped = true;
      incumbent.process.send({ type: 'stop-source' });
      await incumbent.process.expect('source-stopped', deadlines.sourceStoppedMs).catch((error: unknown) => {
        program.log.warn({ slot }, `the incumbent's source did not stop: ${messageOf(error)}; the candidate starts beside it`);
      });
    }
    try {
      next.process.send({ type: 'activate' });
      await next.process.expect('activated', deadlines.activatedMs);
    } catch (error) {
      next.process.end('crash', 'it could not be activated');
      await next.process.exited;
      throw error;
    }
    clearTimeout(this.#gap);
    void this.#stub.end();
    next.process.watch();
    this.#active = next;
    void next.process.exited.then((death) => this.#ended(next, death));
    if (incumbent) this.#dismiss(incumbent, deadlines.graceMs);
  }

  #dismiss(runner: Runner, graceMs: number): void {
    runner.leaving = true;
    const gone = runner.process.drain(graceMs);
    this.#leaving.add(gone);
    void gone.then(() => this.#leaving.delete(gone));
  }

  #beat(runner: Runner, { ok, errors, consecutiveErrors, rssBytes }: Extract<FromRunner, { type: 'heartbeat' }>): void {
    runner.rssBytes = rssBytes;
    if (!runner.leaving) this.#options.onHeartbeat({ type: 'heartbeat', run: runner.run, ok, errors, consecutiveErrors });
  }

  #ended(runner: Runner, death: Death): void {
    if (this.#active === runner) this.#active = undefined;
    if (runner.leaving) return;
    this.#standInSoon(death.reason);
    this.#options.onDied(runner.run, death);
  }

  #oversight({ limits: asked }: Manifest): Oversight {
    const { limits, deadlines } = this.#options;
    const maxRunMs = Math.min(limits.maxRunMs ?? Infinity, asked?.maxRunMs ?? Infinity);
    return { ...limits, maxRunMs, heartbeatMs: deadlines.heartbeatMs };
  }

  async #load({ deployment, digest, variant }: Committed): Promise<Omit<Extract<ToRunner, { type: 'preflight' }>, 'type'>> {
    const { slot, limits, open, providers } = this.#options;
    const stored = await open(digest, variant);
    const made = stored.manifest.variants.find(({ file }) => file === variant)?.providers ?? [];
    const usable = providers.filter((provider) => made.includes(provider));
    return { slot, deployment, digest, variant, ...stored, ...limits, providers: usable };
  }

  /** Nothing serves, and the next start may have to wait. One that stands in already has a better reason. */
  #standInSoon(why: string): void {
    clearTimeout(this.#gap);
    if (this.#closed.signal.aborted) return;
    this.#gap = setTimeout(() => {
      if (!this.#active && !this.#stub.standsIn) this.#stub.begin(`restarting: ${why}`, this.#options.credentials?.current);
    }, this.#options.deadlines.standInMs);
  }

  /** For minutes: a runner that was begun would only hold memory, which may be what is wanting. */
  #standIn(why: string): void {
    clearTimeout(this.#gap);
    this.#begunOrNone()?.end('crash', 'it was not needed');
    this.#stub.begin(why, this.#options.credentials?.current);
  }

  #begunOrNone(): RunnerProcess | undefined {
    const begun = this.#begun;
    this.#begun = undefined;
    return begun;
  }

  #begunOrNew(): RunnerProcess {
    const { program, sockets } = this.#options;
    return this.#begunOrNone() ?? new RunnerProcess(program, { sockets });
  }
}

async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    if (ms > 0) await delay(ms, undefined, { signal });
    return !signal.aborted;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** What an error that is no UpdateFailure says of the release: nothing. */
export const asUpdateFailure = (error: unknown): UpdateFailure =>
  error instanceof UpdateFailure ? error : new UpdateFailure('interrupted', messageOf(error), { cause: error });
