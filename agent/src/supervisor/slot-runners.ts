import type { Digest } from '@flotilla/protocol/device';
import { setTimeout as delay } from 'node:timers/promises';
import type { Death } from '../core/death.js';
import { UpdateFailure } from '../core/failure.js';
import type { Committed, Heartbeat } from '../core/slot-state.js';
import { gapNote, type SwapPlan } from '../core/swap-plan.js';
import type { EngineSpec, FromRunner, PreflightFigures, SlotAddress } from '../runner-protocol.js';
import type { StoredRelease } from './artifact-store.js';
import type { CredentialFiles } from './credential-files.js';
import { messageOf } from '../errors.js';
import { oversightOf, preflightOf } from './preflight.js';
import { inWords, type OrderParts, orderFor, programWith } from './runner-orders.js';
import { RunnerProcess } from './runner-process.js';
import type { Deadlines } from './slot-deadlines.js';
import type { SlotSockets } from './slot-sockets.js';
import { Stub } from './stub.js';
import { UntoldDeaths } from './untold-deaths.js';

export type WindowMessage = Extract<FromRunner, { type: 'window' }>;
export type RunnersOptions = OrderParts & {
  sockets?: SlotSockets | undefined;
  /** Begun before it was known what it will serve. */
  begun?: RunnerProcess | undefined;
  predictions: { file: string; maxBytes: number; keep: number };
  /** After which a prediction says nothing any more, milliseconds. */
  staleAfterMs?: number | undefined;
  /** All slots of this device. */
  addresses: SlotAddress[];
  /** Of a slot that is exposed. */
  credentials?: Pick<CredentialFiles, 'current'> | undefined;
  windowS: number;
  deadlines: Deadlines;
  /** Whether the candidate fits beside the incumbent of so many bytes. */
  plan: (release: StoredRelease, candidate: Committed, incumbentBytes: number | undefined) => SwapPlan;
  onAlarm: (name: string, message: string) => void;
  onHeartbeat: (heartbeat: Omit<Heartbeat, 'at'>) => void;
  onDied: (run: number, death: Death) => void;
  onWindow: (window: WindowMessage) => void;
};
type Runner = Committed & { run: number; process: RunnerProcess; leaving: boolean; rssBytes: number };
/** What a deployment's inferences are counted against. */
type SlowLimits = { deployment: string; limits: Record<string, number> };
/** What may change while a runner serves. */
type Settings = { windowS: number; staleAfterMs: number | undefined; slow?: SlowLimits | undefined };
type Launched = { runner: Runner; figures: PreflightFigures | undefined };
/** `note`: how long nothing served, where the incumbent had to go first. `figures`: of a candidate that was to prove itself. */
type Activation =
  | { type: 'activated'; note?: string | undefined; figures?: PreflightFigures | undefined }
  | { type: 'failed' | 'swap-failed'; error: unknown };

/** The runners of one slot: one serves; another takes over from it while both hold the socket, so that no request is lost. */
export class SlotRunners {
  readonly #options: RunnersOptions;
  #settings: Settings;
  readonly #deaths = new UntoldDeaths();
  #active: Runner | undefined;
  /** Beside what serves. */
  #candidate: RunnerProcess | undefined;
  #begun: RunnerProcess | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** Cuts short the wait of a restart that something newer makes needless. */
  #waiting = new AbortController();
  #closed = new AbortController();
  readonly #leaving = new Set<Promise<void>>();
  readonly #stub: Stub;
  /** Since when nothing serves because the incumbent had to go first. */
  #emptySince: number | undefined;

  constructor(options: RunnersOptions) {
    this.#options = options;
    this.#settings = { windowS: options.windowS, staleAfterMs: options.staleAfterMs };
    this.#stub = new Stub(options.program, options.sockets);
    this.#begun = options.begun;
    void this.#begun?.exited.then(() => (this.#begun = undefined));
  }

  get serving(): { digest: Digest; rssBytes: number } | undefined {
    return this.#active;
  }

  configure(settings: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...settings };
    const active = this.#active;
    active?.process.send({ type: 'configure', ...this.#settings, slow: this.#slowOf(active) });
  }

  /** What serves takes the new certificate and tokens; what comes later finds them. */
  secure(): void {
    const credentials = this.#options.credentials?.current;
    if (credentials) this.#active?.process.send({ type: 'secure', credentials });
  }

  /** Whether a candidate would come up beside the incumbent or after it, and why. */
  async plan(candidate: Committed): Promise<SwapPlan> {
    if (!this.#active) return { sequential: false };
    return this.#options.plan(await this.#options.open(candidate.digest, candidate.variant), candidate, this.#active.rssBytes);
  }

  /** Figures of one variant, measured in a runner that is thrown away. */
  preflight(release: Committed, signal: AbortSignal, onProgress: (told: string) => void): Promise<PreflightFigures> {
    return preflightOf(this.#options, release, signal, onProgress);
  }

  /** Loads the candidate beside the incumbent, or after it where both do not fit, then swaps. `prove`: golden set and figures come first. */
  activate(run: number, release: Committed, signal: AbortSignal, prove = false): Promise<Activation> {
    this.#waiting.abort();
    return this.#inTurn(async () => {
      let next: Launched;
      const calledOff = AbortSignal.any([signal, this.#closed.signal]);
      try {
        calledOff.throwIfAborted();
        await this.#makeWay(release);
        next = await this.#launch(run, release, calledOff, prove);
      } catch (error) {
        return { type: 'failed', error };
      }
      try {
        return { type: 'activated', note: await this.#swap(next.runner), figures: next.figures };
      } catch (error) {
        return { type: 'swap-failed', error };
      }
    });
  }

  /** Brings a committed release up, whatever serves now. Undefined: something newer came while it waited. */
  serve(
    run: number,
    release: Committed,
    wait: { ms: number; why?: string | undefined },
  ): Promise<{ note?: string | undefined } | undefined> {
    this.#waiting.abort();
    const waiting = (this.#waiting = new AbortController());
    return this.#inTurn(async () => {
      if (wait.why !== undefined && !this.#active) this.#standIn(wait.why);
      if (!(await waited(wait.ms, AbortSignal.any([waiting.signal, this.#closed.signal])))) return undefined;
      if (this.#active?.digest === release.digest) {
        Object.assign(this.#active, { run, deployment: release.deployment });
        return {};
      }
      let note: string | undefined;
      try {
        await this.#makeWay(release);
        note = await this.#swap((await this.#launch(run, release, this.#closed.signal)).runner);
      } catch (error) {
        this.#standInSoon(`restarting: ${messageOf(error)}`);
        throw error;
      }
      // A candidate's gap is reported with its update; that of a way back is nobody's wish.
      if (note !== undefined) this.#options.onAlarm('service-gap', `${release.release} serves again: ${note}`);
      return { note };
    });
  }

  /** Nothing serves afterwards; a later `serve` or `activate` may begin again. `why`: what clients are told meanwhile. */
  async stop(graceMs = this.#options.deadlines.graceMs, why?: string): Promise<void> {
    this.#waiting.abort();
    this.#closed.abort(new Error('the slot is being stopped'));
    const closed = this.#closed;
    await this.#inTurn(async () => {
      this.#begunOrNone()?.end('crash', 'it was not needed');
      this.#emptySince = undefined;
      if (this.#active) this.#dismiss(this.#active, graceMs);
      this.#active = undefined;
      if (this.#closed === closed) this.#closed = new AbortController();
      await Promise.all([...this.#leaving, this.#stub.end()]);
      if (why !== undefined) this.#standIn(why);
    });
  }

  /** One change at a time: a roll back asked for during a swap comes after it. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(change);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Where both do not fit, the incumbent goes first. Connections wait in the backlog meanwhile, or are told why they should. */
  async #makeWay(release: Committed): Promise<void> {
    const { sequential, why = '' } = await this.plan(release);
    const incumbent = this.#active;
    if (!incumbent || !sequential) return;
    const { slot, program, deadlines } = this.#options;
    program.log.warn({ slot, release: release.release }, `${why}; the incumbent goes first`);
    this.#active = undefined;
    this.#emptySince ??= performance.now();
    this.#standInSoon(`${release.release} is being loaded: ${why}`);
    this.#dismiss(incumbent, deadlines.graceMs);
    await incumbent.process.exited;
  }

  #endGap(): string | undefined {
    if (this.#emptySince === undefined) return undefined;
    const note = gapNote(performance.now() - this.#emptySince);
    this.#emptySince = undefined;
    this.#options.program.log.warn({ slot: this.#options.slot }, note);
    return note;
  }

  async #launch(run: number, release: Committed, signal: AbortSignal, prove = false): Promise<Launched> {
    const { predictions, deadlines, program, slot, sockets, addresses: slots } = this.#options;
    const { load, engine } = await orderFor(this.#options, release);
    signal.throwIfAborted();
    const runner: Runner = { ...release, run, leaving: false, rssBytes: 0, process: undefined! };
    runner.process = this.#candidate = this.#begunOrNew(engine);
    runner.process.oversee({
      ...oversightOf(this.#options, load.manifest),
      onProgress: (progress) => program.log.info({ slot }, inWords(progress, release.variant)),
      onHeartbeat: (heartbeat) => this.#beat(runner, heartbeat),
      // The runner knows the deployment that started it; the slot knows the one that it stands for now.
      onWindow: (m) =>
        this.#options.onWindow(
          m.past ? m : { ...m, window: { ...m.window, deployment: runner.deployment, ...this.#deaths.tell(runner.deployment) } },
        ),
    });
    try {
      const { listen = {} } = sockets ?? {};
      const credentials = this.#options.credentials?.current;
      const { windowS, staleAfterMs } = this.#settings;
      const order = {
        prove,
        slow: this.#slowOf(release),
        rehearse: this.#active !== undefined,
        listen,
        windowS,
        staleAfterMs,
        predictions,
        credentials,
        slots,
      };
      runner.process.send({ type: 'serve', ...load, ...order });
      // Both are waited for from now on: they may come in one breath.
      const [proven, ready] = await Promise.all([
        prove ? runner.process.expect('preflighted', deadlines.preflightMs, signal) : undefined,
        runner.process.expect('ready', prove ? deadlines.preflightMs : deadlines.readyMs, signal),
      ]);
      runner.rssBytes = ready.rssBytes;
      if (ready.shortfall !== undefined)
        this.#options.onAlarm(
          'provider-not-used',
          `${release.release} computes on ${ready.provider}, for want of a better one: ${ready.shortfall}`,
        );
      return { runner, figures: proven?.figures };
    } catch (error) {
      runner.process.end('crash', 'it was not ready');
      await runner.process.exited;
      throw error;
    }
  }

  /** What it says of a gap, where there was one. */
  async #swap(next: Runner): Promise<string | undefined> {
    const { deadlines } = this.#options;
    const incumbent = this.#active;
    next.process.claimShare();
    try {
      next.process.send({ type: 'activate' });
      await next.process.expect('activated', deadlines.activatedMs);
    } catch (error) {
      next.process.end('crash', 'it could not be activated');
      await next.process.exited;
      throw error;
    }
    const note = this.#endGap();
    void this.#stub.end();
    next.process.watch();
    this.#active = next;
    void next.process.exited.then((death) => this.#ended(next, death));
    if (incumbent) this.#dismiss(incumbent, deadlines.graceMs);
    return note;
  }

  #slowOf({ deployment }: Committed): Record<string, number> | undefined {
    const { slow } = this.#settings;
    return slow?.deployment === deployment ? slow.limits : undefined;
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
    this.#deaths.add(runner.deployment);
    // There is nobody left to give way to.
    this.#candidate?.claimShare();
    this.#standInSoon(`restarting: ${death.reason}`);
    this.#options.onDied(runner.run, death);
  }

  /** Nothing serves, and the next start may have to wait. One that stands in already has a better reason. */
  #standInSoon(reason: string): void {
    if (this.#closed.signal.aborted) return;
    const { deadlines, credentials } = this.#options;
    this.#stub.beginLater(deadlines.standInMs, () => !this.#active, reason, credentials?.current);
  }

  /** For minutes: a runner that was begun would only hold memory, which may be what is wanting. */
  #standIn(why: string): void {
    this.#begunOrNone()?.end('crash', 'it was not needed');
    this.#stub.begin(why, this.#options.credentials?.current);
  }

  #begunOrNone(): RunnerProcess | undefined {
    const begun = this.#begun;
    this.#begun = undefined;
    return begun;
  }

  /** One that was begun has the built-in engine. */
  #begunOrNew(engine: EngineSpec | undefined): RunnerProcess {
    const { sockets, deadlines } = this.#options;
    const begun = this.#begunOrNone();
    if (begun && !engine) return begun;
    begun?.end('crash', 'another engine is needed');
    return new RunnerProcess(programWith(this.#options.program, engine), {
      sockets,
      givesWayMs: this.#active && deadlines.givesWayMs,
    });
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
