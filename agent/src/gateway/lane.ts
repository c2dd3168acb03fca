import { setTimeout as delay } from 'node:timers/promises';
import type { PipelineOverrides } from '@flotilla/protocol/device';
import { messageOf } from '../errors.js';
import type { Frame } from '../frame.js';
import type { Logger } from '../log.js';
import type { Prediction } from '../prediction.js';
import type { Inspections } from './inspections.js';
import { Losses } from './losses.js';
import { Mailbox } from './mailbox.js';
import type { Results } from './results.js';
import { RunnerError, type RunnerClient } from './runner-client.js';
import type { Captured, Loss, Outcome, Sink, SourceState } from './source.js';

type LaneParts = {
  slot: string;
  /** Which source it is, for the state that goes with its frames. */
  stream: string;
  runner: Pick<RunnerClient, 'infer'>;
  results: Results;
  /** Where a trigger is configured: frames are taken for inspections only. */
  inspections?: Inspections | undefined;
  overrides?: PipelineOverrides | undefined;
  log: Logger;
  onSource: (state: SourceState) => void;
};
/** Since the lane began. `failed`: the model could not answer; `unasked`: no inspection wanted it; `lost`: broken at the source already. */
export type LaneCounts = Record<
  'captured' | 'inferred' | 'refused' | 'failed' | 'dropped' | 'unasked' | 'retried' | 'lost',
  number
>;

type Job = {
  captured: Captured;
  inspection?: string | undefined;
  until: number;
  settle: (outcome: Outcome) => void;
  live: boolean;
};

/** The runner computes one frame while it prepares the next; of a stream with state each frame needs what the last one left. */
const stateless = 2;
const stateful = 1;
/** How long a frame that can wait does so for a runner. */
const patienceMs = 10_000;
const pauses = { firstMs: 20, mostMs: 500 };

/** One slot's way from source to result. Frames go to the runner in their order, and results come out in the same. */
export class Lane implements Sink {
  readonly #mailbox = new Mailbox();
  readonly #submitted: Job[] = [];
  readonly #losses: Losses;
  readonly #counts = { captured: 0, inferred: 0, refused: 0, failed: 0, unasked: 0, retried: 0 };
  #source: SourceState = { state: 'starting' };
  #trouble = '';
  #state: Uint8Array | undefined;
  #inFlight = 0;
  #limit = stateful;
  #delivered: Promise<void> = Promise.resolve();
  #closed = new AbortController();

  constructor(private readonly parts: LaneParts) {
    this.#losses = new Losses(parts.slot, parts.log);
  }

  get counts(): LaneCounts {
    return { ...this.#counts, dropped: this.#mailbox.dropped, lost: this.#losses.count };
  }

  get source(): SourceState {
    return this.#source;
  }

  /** Why nothing is inferred at present; empty where all is well. */
  get trouble(): string {
    return this.#trouble;
  }

  offer(captured: Captured): void {
    this.#counts.captured += 1;
    if (this.parts.inspections) {
      void this.#inspect(captured, true);
      return;
    }
    this.#mailbox.put(captured);
    this.#pump();
  }

  submit(captured: Captured): Promise<Outcome> {
    this.#counts.captured += 1;
    return this.parts.inspections ? this.#inspect(captured, false) : this.#enqueue(captured, performance.now() + patienceMs);
  }

  lost(loss: Loss): void {
    this.#losses.add(loss);
  }

  state(state: SourceState): void {
    const { state: before, reason } = this.#source;
    if (state.state === before && state.reason === reason) return;
    this.#source = state;
    this.parts.onSource(state);
  }

  /** What waits is given up; what is being computed still comes out. */
  async close(): Promise<void> {
    this.#closed.abort();
    for (const { settle } of this.#submitted.splice(0)) settle('busy');
    await this.#delivered;
  }

  /** A frame that an inspection waits for; any other is passed over. */
  async #inspect(captured: Captured, live: boolean): Promise<Outcome> {
    const inspections = this.parts.inspections!;
    const id = inspections.claim(captured.capturedAt);
    if (id === undefined) {
      this.#counts.unasked += 1;
      return 'unasked';
    }
    const { handshake } = inspections;
    const until = 'until' in handshake && handshake.until !== undefined ? handshake.until : performance.now() + patienceMs;
    const outcome = await this.#enqueue(captured, until, id, live);
    if (outcome !== 'inferred') inspections.fail(id, this.#trouble || 'the picture could not be inferred');
    return outcome;
  }

  #enqueue(captured: Captured, until: number, inspection?: string, live = false): Promise<Outcome> {
    if (this.#closed.signal.aborted) return Promise.resolve('busy');
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#submitted.push({ captured, inspection, until, settle: resolve, live });
    this.#pump();
    return promise;
  }

  #next(): Job | undefined {
    const job = this.#submitted.shift();
    if (job) return job;
    const captured = this.#mailbox.take();
    return captured && { captured, until: 0, settle: () => {}, live: true };
  }

  #pump(): void {
    while (this.#inFlight < this.#limit && !this.#closed.signal.aborted) {
      const job = this.#next();
      if (!job) return;
      this.#inFlight += 1;
      void this.#run(job).finally(() => {
        this.#inFlight -= 1;
        this.#pump();
      });
    }
  }

  async #run(job: Job): Promise<void> {
    const before = this.#delivered;
    const turn = Promise.withResolvers<void>();
    this.#delivered = turn.promise;
    try {
      const predictions = await this.#ask(job);
      await before;
      if (predictions) this.#deliver(job, predictions);
    } finally {
      turn.resolve();
    }
  }

  /** Until it is answered, refused, or of no use any more. */
  async #ask(job: Job): Promise<readonly Prediction[] | undefined> {
    for (let pauseMs = pauses.firstMs; ; pauseMs = Math.min(pauses.mostMs, pauseMs * 2)) {
      try {
        const { predictions, state } = await this.parts.runner.infer(this.#frame(job));
        this.#state = state;
        this.#limit = state ? stateful : stateless;
        this.#say('');
        return predictions;
      } catch (error) {
        if (!(error instanceof RunnerError)) throw error;
        this.#say(error.message);
        if (error.trouble === 'refused' || error.trouble === 'failed') return this.#giveUp(job, error.trouble);
      }
      if (!this.#isWorthAnother(job)) return this.#putBack(job);
      this.#counts.retried += 1;
      await delay(pauseMs, undefined, { signal: this.#closed.signal }).catch(() => {});
    }
  }

  #giveUp({ settle }: Job, trouble: 'refused' | 'failed'): undefined {
    this.#counts[trouble] += 1;
    settle('refused');
  }

  /** A live frame, until a newer one waits; another, until its time is over. */
  #isWorthAnother({ live, inspection, until, captured }: Job): boolean {
    if (this.#closed.signal.aborted) return false;
    if (live && inspection === undefined) return captured.payload.kind === 'signal' || this.#mailbox.empty;
    return performance.now() < until;
  }

  #putBack({ live, inspection, captured, settle }: Job): undefined {
    if (live && inspection === undefined) this.#mailbox.giveBack(captured);
    settle('busy');
  }

  #frame({ captured, inspection }: Job): Frame {
    const { stream, overrides } = this.parts;
    const { payload, bytes, capturedAt, name, gap } = captured;
    return {
      head: {
        payload,
        stream,
        capturedAt: new Date(capturedAt).toISOString(),
        ...(name === undefined ? {} : { name }),
        ...(gap ? { gap } : {}),
        ...(inspection === undefined ? {} : { inspection }),
        ...(overrides ? { overrides } : {}),
      },
      payload: bytes,
      state: this.#state,
    };
  }

  #deliver({ captured, inspection, settle }: Job, predictions: readonly Prediction[]): void {
    const { results, inspections } = this.parts;
    const { payload, bytes, capturedAt } = captured;
    for (const prediction of predictions) {
      const latencyMs = Date.now() - capturedAt;
      const result = results.publish(prediction, { capturedAt, latencyMs, seen: { payload, bytes } });
      this.#counts.inferred += 1;
      if (inspection !== undefined) inspections!.finish(inspection, result);
    }
    settle('inferred');
  }

  /** Once for each change. */
  #say(trouble: string): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const { slot, log } = this.parts;
    if (trouble) log.warn({ slot }, `a frame was not inferred: ${messageOf(trouble)}`);
    else log.info({ slot }, 'frames are inferred again');
  }
}
