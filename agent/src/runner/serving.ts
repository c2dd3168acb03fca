import type { RequestListener } from 'node:http';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import type { FromRunner } from '../runner-protocol.js';
import { staleAfterMs } from '../stale.js';
import type { Engine, EngineRun } from './engine/engine.js';
import { messageOf } from '../errors.js';
import type { GrpcServer } from './grpc/server.js';
import { queueRefusal } from './http/refusals.js';
import { type Route, httpHandler } from '../http/http.js';
import { Inferences } from './inferences.js';
import { Feedback } from './slot-api/feedback.js';
import { JsonLines } from './slot-api/json-lines.js';
import { LatestPrediction } from './slot-api/latest-prediction.js';
import type { LoadedRelease, ServeOrder } from './loading.js';
import type { Logger } from '../log.js';
import { heldBytes } from './memory.js';
import { metricsRoute } from './metrics.js';
import { BaselineWatch } from './monitor/baseline-watch.js';
import { Monitor, type Totals } from './monitor/monitor.js';
import { nothingCounted } from './monitor/window.js';
import type { isOnThisDevice } from './http/nearness.js';
import { elementsAlong } from './oip/model-config.js';
import { oipRoutes } from './oip/rest.js';
import { recordOf } from './slot-api/output-values.js';
import { feedbackFile, findPrediction } from './slot-api/past-predictions.js';
import { openApiRoute } from './openapi/route.js';
import { PredictionStreams } from '../http/prediction-stream.js';
import { InferenceQueue, type QueueLimits } from './queue/queue.js';
import type { Security } from '../http/security.js';
import { type ListenWhere, type Ports, SlotListeners } from './http/slot-listeners.js';
import { slotRoutes } from './slot-api/slot-api.js';
import { VerdictCounts } from './slot-api/verdict-counts.js';
import { slotsRoute } from './slot-api/slot-list.js';
import type { Prediction } from '../prediction.js';
import type { Tensor } from './tensor.js';

/** What may change while it serves. `slow`: limits that inferences are counted against. */
type Settings = {
  windowS: number;
  staleAfterMs?: number | undefined;
  slow?: Readonly<Record<string, number>> | undefined;
};
type Surroundings = {
  engine: Engine;
  send: (message: FromRunner) => void;
  log: Logger;
  /** Of a slot that others than this device reach. */
  security?: Security | undefined;
  /** Whether a client is on this device; its answers are not compressed. */
  isNear?: typeof isOnThisDevice;
  /** Where to listen. */ listen: ListenWhere;
};

/** The way from an answer to the next run takes about 0.3 ms: of longer runs that is too little to give up their order for. */
const queueLimits = { length: 64, bytes: 128 * 1024 * 1024, aheadBelowMs: 10 };

function queueLimitsOf({ batching }: LoadedRelease, { concurrency }: Engine): QueueLimits {
  if (!batching?.on) return { ...queueLimits, concurrency };
  // Room for the batches that are computed next, while others are.
  const length = Math.max(queueLimits.length, 2 * concurrency * batching.maxRows);
  return { ...queueLimits, concurrency, length, batching };
}
const heartbeatMs = 1000;
const noTotals: Totals = { ok: 0, errors: 0, consecutiveErrors: 0 };
/** How long the streams stay for what is still computed when the runner drains. */
const lastPredictionsMs = 500;

/** A loaded release at work: ready, then active from `activate` to `drain`. */
export class Serving {
  readonly #queue: InferenceQueue;
  readonly #monitor: Monitor;
  readonly #inferences: Inferences;
  readonly #predictions: JsonLines;
  readonly #feedback: Feedback;
  readonly #verdicts: VerdictCounts;
  readonly #latest: LatestPrediction;
  readonly #streams = new PredictionStreams();
  /** What it answers to. */
  readonly routes: readonly Route[];
  readonly #handler: RequestListener;
  readonly #listeners: SlotListeners;
  readonly #heartbeat: NodeJS.Timeout;
  #windows: NodeJS.Timeout | undefined;
  #windowS: number;
  #state: 'ready' | 'active' | 'draining' = 'ready';

  constructor(
    private readonly order: ServeOrder,
    private readonly release: LoadedRelease,
    private readonly around: Surroundings,
  ) {
    const { slot, deployment, digest, variant } = order;
    const served = { slot, deployment, digest, variant };
    this.#windowS = order.windowS;
    this.#queue = new InferenceQueue((inputs) => this.#execute(release, inputs), queueLimitsOf(release, around.engine));
    this.#monitor = new Monitor(served, undefined, release.baseline && new BaselineWatch(release.baseline, release.manifest));
    this.#monitor.countSlower(order.slow ?? {});
    this.#inferences = new Inferences(release, served, this.#queue, this.#monitor);
    this.#predictions = new JsonLines({ ...order.predictions, what: 'predictions' }, around.log);
    this.#verdicts = new VerdictCounts(served);
    this.#feedback = openFeedback(order, this.#predictions, this.#verdicts, around.log);
    this.#latest = new LatestPrediction(order.staleAfterMs ?? staleAfterMs({}));
    this.routes = this.#routes();
    this.#handler = httpHandler(this.routes, around.log, queueRefusal);
    this.#listeners = new SlotListeners(this.#handler, () => this.#speakGrpc(), around.security);
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs);
  }

  /** Before `activate`, which forgets what was counted. A release that can't do it is no worse for that: its first clients wait a little. */
  async rehearse(): Promise<void> {
    const { order, around, release } = this;
    const loadGrpc = around.listen.grpc && (() => this.#speakGrpc());
    try {
      const { rehearse } = await import('./rehearsal/rehearsal.js');
      const answered = await rehearse({ slot: order.slot, inputs: release.probes, handler: this.#handler, loadGrpc });
      around.log.debug({ answered }, 'rehearsed');
    } catch (error) {
      around.log.info({ reason: messageOf(error) }, 'there was no rehearsal');
    }
    this.#queue.takeDepthMax();
  }

  /** The ports, where there are any. Repeated, it changes nothing. */
  async activate(): Promise<Ports> {
    if (this.#state !== 'ready') return {};
    this.#state = 'active';
    this.#monitor.begin();
    this.#tick();
    const ports = await this.#listeners.listen(this.around.listen);
    return ports;
  }

  configure({ windowS, staleAfterMs, slow = {} }: Settings): void {
    this.#monitor.countSlower(slow);
    this.#windowS = windowS;
    if (staleAfterMs !== undefined) this.#latest.staleMs = staleAfterMs;
    if (this.#state === 'active') this.#tick();
  }

  /** Answers what came, sends the last window. False when not all was answered at the deadline. */
  async drain(graceMs: number): Promise<boolean> {
    const wasActive = this.#state === 'active';
    this.#state = 'draining';
    const deadline = new Promise<'late'>((resolve) => setTimeout(resolve, graceMs, 'late').unref());
    const inTime = (await Promise.race([this.#fallQuiet(graceMs), deadline])) !== 'late';
    clearInterval(this.#windows);
    clearInterval(this.#heartbeat);
    if (wasActive) this.#cut();
    return inTime && this.around.engine.stats().inFlight === 0;
  }

  async #fallQuiet(graceMs: number): Promise<void> {
    await Promise.all([this.#endStreams(), this.#listeners.drain(graceMs)]);
    // A client that went away may have left its inference behind.
    await this.#queue.idle();
    await this.#predictions.flush();
  }

  /** What is still computed goes out first, where that is soon; then the readers are sent to the runner that follows. */
  async #endStreams(): Promise<void> {
    // The queue is idle before its last caller has recorded the answer, but that comes within the same turn.
    const recorded = this.#queue.idle().then(() => setImmediate());
    await Promise.race([recorded, delay(lastPredictionsMs, undefined, { ref: false })]);
    this.#streams.end();
  }

  async #speakGrpc(): Promise<GrpcServer> {
    const { slotGrpcServer } = await import('./grpc/slot-server.js');
    return slotGrpcServer({
      inferences: this.#inferences,
      isReady: () => this.#state === 'active',
      statistics: () => this.#monitor.statistics(),
      log: this.around.log,
      maxBytes: queueLimits.bytes,
    });
  }

  #routes(): Route[] {
    const [inferences, streams, feedback, queue] = [this.#inferences, this.#streams, this.#feedback, this.#queue];
    const { isNear } = this.around;
    const isReady = () => this.#state === 'active';
    const record = (prediction: Prediction) => this.#record(prediction);
    return [
      slotsRoute(this.order),
      ...oipRoutes({ inferences, monitor: this.#monitor, isReady, isNear }),
      ...slotRoutes({ inferences, isReady, latest: this.#latest, streams, feedback, record, isNear }),
      openApiRoute(),
      metricsRoute({ inferences, streams, feedback, queue, monitor: this.#monitor, predictions: this.#predictions }),
    ];
  }

  /** Once for a batch, however many wait for it. */
  async #execute({ model, run }: LoadedRelease, inputs: readonly Tensor[]): Promise<EngineRun> {
    const elements = elementsAlong(model, inputs);
    const done = await run(inputs);
    this.#monitor.executed(elements, done.wallUs);
    return done;
  }

  #record(prediction: Prediction): void {
    const record = recordOf(prediction);
    this.#latest.set(record);
    const kept = { ...record, variant: this.order.variant };
    void this.#predictions.append(kept);
    this.#feedback.remember(kept);
    this.#streams.publish(record);
  }

  #beat(): void {
    // What is rehearsed is nobody's inference.
    const totals = this.#state === 'ready' ? noTotals : this.#monitor.totals;
    this.around.send({ type: 'heartbeat', ...totals, rssBytes: heldBytes(this.around.engine) });
  }

  #tick(): void {
    clearInterval(this.#windows);
    this.#windows = setInterval(() => this.#cut(), this.#windowS * 1000);
  }

  #cut(): void {
    const { durationS, window } = this.#monitor.cut(this.#queue.takeDepthMax());
    const { own: feedback, past } = this.#verdicts.cut();
    const measured = { rssBytes: heldBytes(this.around.engine), ...(feedback && { feedback }) };
    this.around.send({ type: 'window', durationS, window: { ...window, ...measured } });
    const { type, slot } = window;
    for (const heard of past)
      this.around.send({ type, durationS, past: true, window: { type, slot, ...nothingCounted(), ...heard } });
  }
}

function openFeedback({ slot, predictions }: ServeOrder, log: JsonLines, counts: VerdictCounts, logger: Logger): Feedback {
  const { file, maxBytes, keep } = predictions;
  const lines = { file: feedbackFile(file), maxBytes: Math.ceil(maxBytes / 10), keep, what: 'feedback', durable: true };
  return new Feedback(new JsonLines(lines, logger), (id) => findPrediction(id, file, log), slot, counts);
}
