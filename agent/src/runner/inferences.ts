import { randomBytes } from 'node:crypto';
import { messageOf } from '../errors.js';
import type { PipelineOverrides } from '@flotilla/protocol';
import type { Frame, FrameAnswer } from '../frame.js';
import type { LoadedRelease } from './loading.js';
import type { Monitor, Served } from './monitor/monitor.js';
import type { TopClass } from './monitor/window.js';
import { RequestError } from '../http/http.js';
import { elementsAlong } from './oip/model-config.js';
import { outputValues } from './slot-api/output-values.js';
import { type InferenceQueue, Overloaded, type Submission, Withdrawn } from './queue/queue.js';
import { headline } from './pipeline/headline.js';
import { payloadStage } from './pipeline/input.js';
import type { Pipeline } from './pipeline/pipeline.js';
import { BadOverride, type Prepared } from './pipeline/prepare.js';
import type { FeatureValues, View } from './pipeline/stages.js';
import { stricter } from './pipeline/stricter.js';
import type { Findings, Prediction } from '../prediction.js';
import { type Tensor, firstNonFinite } from './tensor.js';

/** The picture is at fault, not the model. */
export class BadPicture extends Error {
  override readonly name = 'BadPicture';
}
/** The model threw, or its answer can't be used. */
export class InferenceFailed extends Error {
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
/** Between the model's answer and the client's reading it. */
const sendingMs = 1;

/** The one way to the model: every inference, wherever it comes from, is queued and counted here. */
export class Inferences {
  #seq = 0;
  /** Random, for `seq` begins anew in each runner of a deployment, and a board's clock may begin anew too. */
  readonly #name: string;

  constructor(
    readonly release: LoadedRelease,
    readonly served: Served,
    private readonly queue: InferenceQueue,
    private readonly monitor: Monitor,
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

  /** An encoded picture, or features. `source` is its file's name, where the slot's own source has it. */
  async predict(input: Uint8Array | FeatureValues, { since = performance.now(), ...asked }: Asked = {}): Promise<Prediction> {
    const { tensor, view } = await this.#preprocess(input);
    return this.#predict([tensor], true, { since, ...asked }, view);
  }

  /** What a source took. A prediction for each; the state goes with the stream's next frame. */
  async predictFrame({ head, payload }: Frame, asked: Asked = {}): Promise<FrameAnswer<Prediction>> {
    const { name: source, stream, capturedAt, inspection, overrides = {} } = head;
    const { tensor, view } = await this.#prepare(head.payload, payload, overrides);
    const origin = { source, stream, capturedAt, inspection };
    return { predictions: [await this.#predict([tensor], true, { ...asked, ...origin }, view, overrides.minScore)] };
  }

  /** Tensors, for an answer with the release's own postprocessing. */
  predictFrom(inputs: readonly Tensor[], asked: Asked = {}): Promise<Prediction> {
    return this.#predict(inputs, isPlain(inputs), asked);
  }

  async #predict(
    inputs: readonly Tensor[],
    counted: boolean,
    { since = performance.now(), source, stream, capturedAt, inspection, ...submission }: Asked,
    view?: View,
    minScore?: number,
  ): Promise<Prediction> {
    const run = { inputs, since, submission, counted };
    const { value, computeUs, totalUs } = await this.#run(run, (outputs) => this.#answer(outputs, view));
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

  /** What the slot's own source took. */
  unreadable(): void {
    this.monitor.failed();
  }

  #check<T>(value: T, outputs: readonly Tensor[], takesAny: boolean): Finished<T> {
    try {
      return { value, top: this.release.pipeline.headline(outputs) };
    } catch (fault) {
      if (!takesAny) throw fault;
      return { value, top: undefined, fault };
    }
  }

  #answer(outputs: readonly Tensor[], view: View | undefined): Finished<Findings & Pick<Prediction, 'top' | 'outputs'>> {
    const { findings, outputs: turned } = this.release.pipeline.postprocess(outputs, view);
    const { top = [], ...others } = findings;
    const found = Object.keys(findings).length > 0;
    return { value: { top, ...others, ...(found ? {} : { outputs: outputValues(turned) }) }, top: headline(findings) };
  }

  async #preprocess(input: Uint8Array | FeatureValues): Promise<Prepared> {
    const { pipeline, name } = this.release;
    const asked = input instanceof Uint8Array ? 'picture' : 'features';
    if (!pipeline.preprocess || (asked !== pipeline.asked && !(input instanceof Uint8Array)))
      throw new BadPicture(`${name} takes no ${asked === 'picture' ? 'pictures' : asked}: send ${asksFor(pipeline)}`);
    try {
      return await pipeline.preprocess(input);
    } catch (error) {
      throw new BadPicture(`the ${pipeline.asked ?? 'input'} can't be read: ${messageOf(error)}`, { cause: error });
    }
  }

  async #prepare(kind: Frame['head']['payload'], bytes: Uint8Array, overrides: PipelineOverrides): Promise<Prepared> {
    const { pipeline, name } = this.release;
    const { asks, stage } = payloadStage(kind, bytes);
    if (!pipeline.prepare || asks !== pipeline.asked)
      throw new BadPicture(
        `${name} takes no ${asks}: its source must give ${pipeline.asked ?? 'nothing, for it takes tensors only'}`,
      );
    try {
      return await pipeline.prepare(stage(), overrides);
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
      const { outputs, wallUs, cpuUs, queueUs } = await this.queue.submit(inputs, asked);
      const { value, top, fault } = counted ? finish(outputs) : blaming(() => finish(outputs));
      const totalUs = microsecondsSince(since);
      const timing = { cpuUs, queueUs, computeUs: wallUs, totalUs };
      if (fault === undefined) this.monitor.succeeded(timing, top, elements);
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

const asksFor = ({ asked }: Pipeline) =>
  asked === undefined
    ? '{"inputs": {…}} as application/json, with its tensors by name'
    : asked === 'features'
      ? '{"features": {…}} as application/json, with its features by name'
      : 'a JPEG, PNG or WebP';

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
