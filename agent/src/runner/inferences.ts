import { randomBytes } from 'node:crypto';
import type { Asked as PipelineAsked } from '@flotilla/protocol/device';
import { messageOf } from '../errors.js';
import type { Frame, FrameAnswer } from '../frame.js';
import type { LoadedRelease } from './loading.js';
import type { Monitor, Served } from './monitor/monitor.js';
import type { TopClass } from './monitor/window.js';
import { RequestError } from '../http/http.js';
import { elementsAlong } from './oip/model-config.js';
import { outputValues } from './slot-api/output-values.js';
import { type InferenceQueue, Overloaded, type Submission, Withdrawn } from './queue/queue.js';
import { headline } from './pipeline/headline.js';
import { inputStage, payloadStage } from './pipeline/input.js';
import type { Memory } from './pipeline/memory/memory.js';
import { isoOf } from './pipeline/over-time/verdict.js';
import type { Answer as PipelineAnswer, Pipeline } from './pipeline/pipeline.js';
import { BadOverride, type Circumstances, type Prepared } from './pipeline/prepare.js';
import type { FeatureValues, Moment, Stage, View } from './pipeline/stages.js';
import { stricter } from './pipeline/stricter.js';
import type { Findings, Prediction } from '../prediction.js';
import { type Tensor, firstNonFinite } from './tensor.js';

/** The picture is at fault, not the model. */
export class BadPicture extends Error {
  override readonly name = 'BadPicture';
}
/** Another kind of input than the release takes. */
class OtherKind extends BadPicture {}
/** The model threw, or its answer can't be used. */
class InferenceFailed extends Error {
  override readonly name = 'InferenceFailed';
}

/** `counted`: a failure is held against the release. */
type Run = { inputs: readonly Tensor[]; since: number; submission: Submission; counted: boolean };
type Answer<T> = { value: T; computeUs: number; totalUs: number };
/** `fault`: the release's own check could not use what this value was made of. */
type Finished<T> = { value: T; top: TopClass | undefined; fault?: unknown };
/** What the prediction says about where its input came from. */
type Origin = { [K in 'source' | 'stream' | 'capturedAt' | 'inspection']?: string | undefined };
export type Asked = Submission & Origin & { since?: number };
/** What is asked, as preprocessing begins with it. */
export type Input = { asks: PipelineAsked; stage: () => Stage };
/** What an answer is made with, besides the model's outputs. `uncertain`: because of the window alone. */
type How = { counted: boolean } & Partial<{
  view: View | undefined;
  moment: Moment | undefined;
  uncertain: string | undefined;
  minScore: number | undefined;
  /** Tiles of the same picture after this one. */
  others: Prepared['others'];
}>;
type Answered = Findings & Pick<Prediction, 'top' | 'outputs' | 'uncertain'>;
/** As many failures in a row as end a probation, which ends no later for this. */
const nothingElse = 5;
/** Between the model's answer and the client's reading it. */
const sendingMs = 1;

/** The one way to the model: every inference, wherever it comes from, is queued and counted here. */
export class Inferences {
  #seq = 0;
  /** Whether it could read a frame of the slot's own source; and how many of another kind came before. */
  #reads = false;
  #strays = 0;
  /** Random, for `seq` begins anew in each runner of a deployment, and a board's clock may begin anew too. */
  readonly #name: string;

  constructor(
    readonly release: LoadedRelease,
    readonly served: Served,
    private readonly queue: InferenceQueue,
    private readonly monitor: Pick<Monitor, 'look' | 'succeeded' | 'unsound' | 'failed' | 'shed'>,
  ) {
    this.#name = `${served.deployment.slice(0, 8)}-${randomBytes(4).toString('hex')}`;
  }

  /**
   * Raw tensors. `encode` makes the caller's answer; where it throws, the inference has failed. `since` is when the request came.
   * `takesAny`: the caller can be answered with NaN and infinity too.
   */
  async infer<T>(
    inputs: readonly Tensor[],
    encode: (outputs: readonly Tensor[]) => T,
    { since = performance.now(), takesAny = false, ...submission }: Asked & { takesAny?: boolean } = {},
  ): Promise<T> {
    const finish = (outputs: readonly Tensor[]) => this.#check(encode(outputs), outputs, takesAny);
    const { value } = await this.#run({ inputs, since, submission, counted: isPlain(inputs) }, finish);
    return value;
  }

  /** An encoded picture, a WAV, or features. `source` is its file's name, where the slot's own source has it. */
  async predict(input: Uint8Array | FeatureValues, asked: Asked = {}): Promise<Prediction> {
    const { asked: takes = 'picture' } = this.release.pipeline;
    const asks = input instanceof Uint8Array ? takes : 'features';
    return (await this.predictOne({ asks, stage: () => inputStage(asks, input) }, asked)).prediction;
  }

  /** One answer to one input, with what a client sent as state, and the state after it. */
  async predictOne(input: Input, asked: Asked = {}, state?: Uint8Array): Promise<{ prediction: Prediction; state?: Uint8Array }> {
    const since = asked.since ?? performance.now();
    const memory = this.#recollect(state, { stream: '' });
    const moment = { at: Date.now(), memory };
    const [prepared, ...others] = await this.#prepare(input, { moment });
    if (!prepared || others.length > 0)
      throw new BadPicture(
        `the signal completes ${prepared ? others.length + 1 : 'no'} windows, and one prediction is of one: send more or less, or frames`,
      );
    // What a client made up as state says nothing about the release.
    const prediction = await this.#predict({ ...prepared, moment, counted: state === undefined }, { ...asked, since });
    return { prediction, ...(memory ? { state: memory.written() } : {}) };
  }

  /** What a source took: a prediction, or one for each window; the state goes with the stream's next frame. `isOwn`: the slot's own source. */
  async predictFrame({ head, payload, state }: Frame, asked: Asked = {}, isOwn = true): Promise<FrameAnswer<Prediction>> {
    const since = asked.since ?? performance.now();
    const { name: source, stream, capturedAt, inspection, overrides } = head;
    const memory = this.#recollect(state, { stream, gap: head.gap });
    const moment = { at: Date.parse(capturedAt), memory };
    const predictions: Prediction[] = [];
    for (const { at = moment.at, ...prepared } of await this.#prepare(payloadStage(head.payload, payload), {
      overrides,
      moment,
    })) {
      const whole = { ...prepared, moment: { at, memory }, counted: isOwn || state === undefined, minScore: overrides?.minScore };
      const origin = { source, stream, capturedAt: isoOf(at), inspection };
      predictions.push(await this.#predict(whole, { ...asked, ...origin, since }));
    }
    this.#reads = true;
    return { predictions, state: memory?.written() };
  }

  /** Tensors, for an answer with the release's own postprocessing. */
  predictFrom(inputs: readonly Tensor[], asked: Asked = {}): Promise<Prediction> {
    return this.#answered(inputs, { counted: isPlain(inputs) }, asked);
  }

  #recollect(state: Uint8Array | undefined, stream: { stream: string; gap?: boolean | undefined }): Memory | undefined {
    return this.release.pipeline.recollect(state, { digest: this.served.digest, ...stream });
  }

  #predict({ tensor, ...how }: Prepared & How, asked: Asked): Promise<Prediction> {
    return this.#answered(this.release.pipeline.feeds.with(tensor, how.moment?.memory), how, asked);
  }

  async #answered(
    inputs: readonly Tensor[],
    { minScore, ...how }: How,
    { since = performance.now(), source, stream, capturedAt, inspection, ...submission }: Asked,
  ): Promise<Prediction> {
    const run = { inputs, since, submission, counted: how.counted };
    const { value, computeUs, totalUs } = how.others
      ? await this.#runTiles(run, how)
      : await this.#run(run, (outputs) => this.#answer(outputs, how));
    const { digest, deployment } = this.served;
    const seq = this.#seq++;
    return {
      id: `${this.#name}-${seq}`,
      at: new Date().toISOString(),
      seq,
      release: this.release.name,
      digest,
      deployment,
      ...given({ source, stream, capturedAt, inspection }),
      ...(minScore === undefined ? value : stricter(value, minScore)),
      computeMs: computeUs / 1000,
      totalMs: totalUs / 1000,
    };
  }

  /** What the slot's own source took. A stray file of another kind is nobody's fault where the release reads what else the source has. */
  unreadable(fault: BadPicture): void {
    if (fault instanceof OtherKind) this.#stray();
    else this.monitor.failed();
  }

  /** It may be the first that comes after a swap: held back until so many came and nothing else, and then all of them count. */
  #stray(): void {
    if (this.#reads) return;
    this.#strays += 1;
    if (this.#strays < nothingElse) return;
    const counted = this.#strays === nothingElse ? nothingElse : 1;
    for (let i = 0; i < counted; i++) this.monitor.failed();
  }

  #check<T>(value: T, outputs: readonly Tensor[], takesAny: boolean): Finished<T> {
    try {
      return { value, top: this.release.pipeline.headline(outputs) };
    } catch (fault) {
      if (!takesAny) throw fault;
      return { value, top: undefined, fault };
    }
  }

  #answer(outputs: readonly Tensor[], { view, moment, uncertain }: How): Finished<Answered> {
    const { pipeline } = this.release;
    if (moment?.memory) pipeline.feeds.keep(outputs, moment.memory);
    return this.#told(pipeline.postprocess(outputs, view, moment), moment, uncertain);
  }

  #told({ findings, outputs: turned }: PipelineAnswer, moment: Moment | undefined, window?: string): Finished<Answered> {
    const { top = [], ...others } = findings;
    const found = Object.keys(findings).length > 0;
    // Who sends tensors feeds what comes out back in, and needs it.
    const shown = moment ? turned.filter(({ name }) => !this.release.pipeline.feeds.ownOutputs.has(name)) : turned;
    const uncertain = moment?.memory?.uncertain(window);
    const value = { top, ...others, ...(uncertain && { uncertain }), ...(found ? {} : { outputs: outputValues(shown) }) };
    return { value, top: headline(findings) };
  }

  /** One tile after the other, the next being prepared while this is computed; the last one brings what all came to. */
  async #runTiles(run: Run, { others = [], view, moment, uncertain }: How): Promise<Answer<Answered>> {
    const { feeds, tiled } = this.release.pipeline;
    const answer = tiled!();
    let [computeUs, tile] = [0, { inputs: run.inputs, view }];
    for (const following of others) {
      const next = following();
      const [done, prepared] = await Promise.all([
        this.#run({ ...run, ...tile }, (outputs) => ({ value: answer.add(outputs, tile.view!), top: undefined })),
        next,
      ]);
      computeUs += done.computeUs;
      tile = { inputs: feeds.with(prepared.tensor, moment?.memory), view: prepared.view };
    }
    const { value, ...last } = await this.#run({ ...run, ...tile }, (outputs) => {
      answer.add(outputs, tile.view!);
      return this.#told(answer.finish(moment), moment, uncertain);
    });
    return { ...last, value, computeUs: computeUs + last.computeUs };
  }

  async #prepare({ asks, stage }: Input, circumstances: Circumstances): Promise<Prepared[]> {
    const { pipeline, name } = this.release;
    if (!pipeline.prepare || asks !== pipeline.asked)
      throw new OtherKind(`${name} takes no ${asks === 'features' ? asks : `${asks}s`}: send ${asksFor(pipeline)}`);
    try {
      return await pipeline.prepare(stage(), circumstances);
    } catch (error) {
      if (error instanceof BadOverride) throw error;
      throw new BadPicture(`the ${asks} can't be read: ${messageOf(error)}`, { cause: error });
    }
  }

  async #run<T>(
    { inputs, since, submission, counted }: Run,
    finish: (outputs: readonly Tensor[]) => Finished<T>,
  ): Promise<Answer<T>> {
    const elements = elementsAlong(this.release.model, inputs);
    try {
      // By the client's clock: what the request took to come, and its answer to go, is lost to the deadline.
      const timeoutMs = submission.timeoutMs && Math.max(0, submission.timeoutMs - (performance.now() - since) - sendingMs);
      const asked = { ...submission, timeoutMs, alone: !counted };
      // Before they go to the engine, which keeps them.
      const looked = this.monitor.look(inputs);
      const { outputs, wallUs, cpuUs, queueUs } = await this.queue.submit(inputs, asked);
      const { value, top, fault } = counted ? finish(outputs) : blaming(() => finish(outputs));
      const totalUs = microsecondsSince(since);
      const timing = { cpuUs, queueUs, computeUs: wallUs, totalUs };
      if (fault === undefined) this.monitor.succeeded(timing, top, elements, looked);
      else this.monitor.unsound(timing, elements, counted);
      return { value, computeUs: wallUs, totalUs };
    } catch (error) {
      if (error instanceof RequestError || error instanceof Withdrawn) throw error;
      if (error instanceof Overloaded) {
        this.monitor.shed();
        throw error;
      }
      if (counted) this.monitor.failed(microsecondsSince(since));
      throw new InferenceFailed(`the inference failed: ${messageOf(error)}`, { cause: error });
    }
  }
}

const given = (origin: Origin) => Object.fromEntries(Object.entries(origin).filter(([, value]) => value !== undefined)) as Origin;

const asks: Readonly<Record<PipelineAsked, string>> = {
  picture: 'a JPEG, PNG or WebP',
  features: '{"features": {…}} as application/json, with its features by name',
  signal: 'a WAV (audio/wav), or frames',
};
const asksFor = ({ asked }: Pipeline) =>
  asked === undefined ? '{"inputs": {…}} as application/json, with its tensors by name' : asks[asked];

/** What a client's NaN or empty tensor leads to says nothing about the release, and shall not touch the answers of others. */
const isPlain = (inputs: readonly Tensor[]) => inputs.every((tensor) => tensor.data.length > 0 && firstNonFinite(tensor) < 0);

/** The client's own NaN or infinity is why the answer can't be used. */
function blaming<T>(finish: () => T): T {
  try {
    return finish();
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(400, `${messageOf(error)} (the inputs held NaN or infinity)`);
  }
}

const microsecondsSince = (since: number) => Math.round((performance.now() - since) * 1000);
