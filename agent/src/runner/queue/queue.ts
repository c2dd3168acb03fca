import { Backlog } from './backlog.js';
import { type Batching, type Member, planNext, rowsOf } from './batch-plan.js';
import { type Run, runBatch } from './batch-run.js';
import { groupingOf } from './batch-tensors.js';
import type { EngineRun } from '../engine/engine.js';
import { RunTimes } from './run-times.js';
import { type Tensor, bytesOf } from '../tensor.js';

/**
 * `concurrency`: how many runs the engine computes at once. `aheadBelowMs`: of shorter ones it gets as many again to go on with, because
 * between an answer and its next run it would do nothing.
 */
export type QueueLimits = {
  length: number;
  bytes: number;
  concurrency?: number;
  batching?: Batching | undefined;
  aheadBelowMs?: number;
};
/** `wallUs` is that of the whole batch, `cpuUs` the part of it that is this request's. */
type QueuedRun = EngineRun & { queueUs: number };
/** 1 goes before 2, and 2 before 3. */
export const priorities = [1, 2, 3] as const;
const leastUrgent = 3;
export type Priority = (typeof priorities)[number];
export type Submission = {
  priority?: Priority | undefined;
  /** An answer later than so many milliseconds from now is of no use. */
  timeoutMs?: number | undefined;
  /** Never in a batch: what it holds might spoil the others' answers. */
  alone?: boolean | undefined;
  asker?: Asker | undefined;
};
/** Who waits for the answer. What it no longer waits for is not begun. */
export type Asker = {
  readonly isGone: boolean;
  /** Gives what takes the listener off again. */
  onGone(listener: () => void): () => void;
};

/** Answered with 429: the caller may come again, best after `retryAfterMs`. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/** Whoever asked went away before its turn: nobody hears of this. */
export class Withdrawn extends Error {
  override readonly name = 'Withdrawn';
}

type Waiting = Member & {
  inputs: readonly Tensor[];
  bytes: number;
  priority: Priority;
  resolve: (run: QueuedRun) => void;
  reject: (reason: unknown) => void;
  /** Set while it waits for one who may go away. */
  forgetAsker?: () => void;
};
/** `begun` is Infinity while it waits in the engine for the one before it. */
type Job = { begun: number; rows: number };
/** Runs `then` after so many milliseconds, unless the function that it gives is called before. */
type Later = (ms: number, then: () => void) => () => void;

const gone = 'whoever asked is gone';
const noBatching: Batching = { maxRows: 1, delayMs: 0 };
/** A batch held so often for nobody: whoever asks is alone, and waits for nobody until two come at once. */
const vainHolds = 3;

/**
 * By priority, then in order of arrival; as many at once as the engine takes, and together what may be. Bounded in number and bytes: beyond
 * that the least urgent is told at once rather than late. What could not be answered within its timeout is refused when it comes, or when
 * its turn comes, before it costs an inference.
 */
export class InferenceQueue {
  readonly #waiting: Waiting[] = [];
  readonly #running = new Set<Job>();
  readonly #backlog = new Backlog();
  readonly #times = new RunTimes();
  readonly #concurrency: number;
  readonly #batching: Batching;
  #bytes = 0;
  #depthMax = 0;
  #executions = 0;
  #vain = 0;
  #hold: { cancel: () => void } | undefined;
  #idlers: (() => void)[] = [];

  constructor(
    private readonly run: Run,
    private readonly limits: QueueLimits,
    private readonly now: () => number = () => performance.now(),
    private readonly later: Later = timer,
  ) {
    this.#concurrency = limits.concurrency ?? 1;
    this.#batching = limits.batching ?? noBatching;
  }

  submit(inputs: readonly Tensor[], submission: Submission = {}): Promise<QueuedRun> {
    const { priority = 2, timeoutMs = Infinity, alone = false, asker } = submission;
    if (asker?.isGone) return Promise.reject(new Withdrawn(gone));
    const since = this.now();
    const { promise, resolve, reject } = Promise.withResolvers<QueuedRun>();
    // One that finds nothing before it is always tried: after a stall the mean would refuse all that could correct it.
    const deadline = this.#isFree() && this.#waiting.length === 0 ? Infinity : since + timeoutMs;
    const { key, rows } = this.#batching.maxRows === 1 ? { key: undefined, rows: 1 } : groupingOf(inputs);
    const grouping = { key: alone ? undefined : key, rows };
    const next: Waiting = { ...grouping, inputs, bytes: bytesOf(inputs), priority, since, deadline, resolve, reject };
    const refusal = this.#overfull(next) ?? this.#tooLate(next);
    if (refusal) return Promise.reject(refusal);
    this.#makeRoom(next);
    this.#add(next);
    this.#dispatch();
    // Most begin at once, and then it is too late to call them off.
    if (asker && this.#waiting.includes(next)) next.forgetAsker = asker.onGone(() => this.#withdraw(next));
    return promise;
  }

  /** Inferences that wait now. */
  get depth(): number {
    return this.#waiting.length;
  }

  /** Runs of the engine so far: a batch is one. */
  get executions(): number {
    return this.#executions;
  }

  /** The most that waited since the last call. */
  takeDepthMax(): number {
    const depth = this.#depthMax;
    this.#depthMax = this.#waiting.length;
    return depth;
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0 || this.#waiting.length > 0)
      await new Promise<void>((resolve) => void this.#idlers.push(resolve));
  }

  #isFree(): boolean {
    return this.#running.size < this.#concurrency;
  }

  #add(next: Waiting): void {
    const after = this.#waiting.findIndex(({ priority }) => priority > next.priority);
    this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, next);
    this.#bytes += next.bytes;
    this.#backlog.add(next);
    this.#depthMax = Math.max(this.#depthMax, this.#waiting.length);
  }

  #tooLate(next: Waiting): Overloaded | undefined {
    const { priority, rows, since, deadline } = next;
    if (deadline === Infinity) return undefined;
    // With it, for it may find a place in a batch that would be computed anyway.
    this.#backlog.add(next);
    let work = this.#workMs(priority);
    this.#backlog.remove(next);
    for (const job of this.#running) work += this.#leftMs(job, since);
    const others = Math.max(0, work - this.#times.expectedMs(rows));
    const takesMs = others / this.#concurrency + this.#times.cautiousMs(rows);
    if (since + takesMs <= deadline) return undefined;
    const within = `${Math.round(deadline - since)} ms`;
    return this.#refusal(`an answer would take about ${Math.round(takesMs)} ms, and is wanted within ${within}`);
  }

  #overfull(next: Waiting): Overloaded | undefined {
    if (this.#keptFor(next) !== undefined) return undefined;
    return this.#refusal(`the queue is full (${this.#waiting.length} inferences of ${this.#bytes} bytes wait)`);
  }

  /** How many may stay when this one comes: less urgent ones give way, the newest first. Undefined where even that is not enough. */
  #keptFor({ priority, bytes: more }: Waiting): number | undefined {
    let [kept, bytes] = [this.#waiting.length, this.#bytes];
    while (kept >= this.limits.length || (kept > 0 && bytes + more > this.limits.bytes)) {
      const last = this.#waiting[kept - 1];
      if (!last || last.priority <= priority) return undefined;
      [kept, bytes] = [kept - 1, bytes - last.bytes];
    }
    return kept;
  }

  #makeRoom(next: Waiting): void {
    for (const displaced of this.#waiting.splice(this.#keptFor(next)!)) {
      this.#forget(displaced);
      displaced.reject(this.#refusal('more urgent inferences took its place in the full queue'));
    }
  }

  #withdraw(member: Waiting): void {
    this.#take([member]);
    member.reject(new Withdrawn(gone));
    // It may have been what a batch was held for, or the last that anyone waited for.
    this.#dispatch();
  }

  #forget(member: Waiting): void {
    member.forgetAsker?.();
    this.#bytes -= member.bytes;
    this.#backlog.remove(member);
  }

  #refusal(why: string): Overloaded {
    const ms = this.#workMs(leastUrgent) / this.#concurrency + this.#times.expectedMs(1);
    return new Overloaded(`${why}; try again later`, Math.ceil(ms));
  }

  #workMs(priority: Priority): number {
    return this.#backlog.workMs(priority, this.#batching, (rows) => this.#times.expectedMs(rows));
  }

  /** In the same step as a run's end: a caller that asks again on its answer finds the queue as it then is. */
  #dispatch(): void {
    const held = this.#hold !== undefined;
    this.#hold?.cancel();
    this.#hold = undefined;
    while ((this.#isFree() || this.#takesAhead()) && this.#waiting.length > 0) {
      const isFree = this.#isFree();
      const now = this.now() + (isFree ? 0 : this.#freeInMs());
      const { late, batch, holdUntil } = planNext(this.#waiting, this.#situation(now));
      this.#take([...late, ...batch]);
      for (const one of late) {
        const waited = Math.round(now - one.since);
        one.reject(this.#refusal(`it waited ${waited} ms, and its time was over before its turn`));
      }
      if (batch.length > 0) {
        this.#vain = batch.length > 1 ? 0 : this.#vain + Number(held);
        void this.#perform(batch, isFree ? now : Infinity);
      }
      if (holdUntil === undefined) continue;
      this.#hold = { cancel: this.later(holdUntil - now, () => this.#dispatch()) };
      return;
    }
    if (this.#running.size === 0 && this.#waiting.length === 0) this.#idlers.splice(0).forEach((tell) => tell());
  }

  /** One a worker. A batch is better kept open as long as nobody could compute it. */
  #takesAhead(): boolean {
    const ms = this.#times.expectedMs(1);
    const isShort = ms > 0 && ms < (this.limits.aheadBelowMs ?? 0);
    return isShort && this.#batching.maxRows === 1 && this.#running.size < 2 * this.#concurrency;
  }

  #freeInMs(): number {
    const now = this.now();
    return Math.min(...[...this.#running].map((job) => this.#leftMs(job, now)));
  }

  #leftMs({ begun, rows }: Job, now: number): number {
    return Math.max(0, this.#times.expectedMs(rows) - Math.max(0, now - begun));
  }

  #situation(now: number) {
    const delayMs = this.#vain < vainHolds ? this.#batching.delayMs : 0;
    return { ...this.#batching, delayMs, now, expectedMs: (rows: number) => this.#times.cautiousMs(rows) };
  }

  #take(members: readonly Waiting[]): void {
    for (const member of members) {
      this.#waiting.splice(this.#waiting.indexOf(member), 1);
      this.#forget(member);
    }
  }

  async #perform(batch: readonly Waiting[], begun: number): Promise<void> {
    const job: Job = { begun, rows: rowsOf(batch) };
    this.#running.add(job);
    const outcomes = await runBatch((inputs) => this.#execute(inputs), batch);
    for (const [i, outcome] of outcomes.entries()) {
      const { since, resolve, reject } = batch[i]!;
      if ('done' in outcome) resolve({ ...outcome.done, queueUs: Math.round((job.begun - since) * 1000) });
      else reject(outcome.failed);
    }
    this.#running.delete(job);
    this.#times.learn(job.rows, this.now() - job.begun);
    this.#beginNext();
    this.#dispatch();
  }

  /** The engine has taken up what it was given ahead. */
  #beginNext(): void {
    for (const job of this.#running) {
      if (job.begun !== Infinity) continue;
      job.begun = this.now();
      return;
    }
  }

  #execute(inputs: readonly Tensor[]): Promise<EngineRun> {
    this.#executions += 1;
    return this.run(inputs);
  }
}

function timer(ms: number, then: () => void): () => void {
  const set = setTimeout(then, ms);
  return () => clearTimeout(set);
}
