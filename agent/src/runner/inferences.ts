import type { DeploymentId, Digest } from '@flotilla/protocol';
import { messageOf } from './fault.js';
import type { LoadedRelease } from './loading.js';
import type { Monitor, Served } from './monitor/monitor.js';
import { hasBatchDimension } from './oip/model-config.js';
import type { Ranked } from './pipeline/answer.js';
import { type InferenceQueue, Overloaded, type Submission } from './queue.js';
import { type Tensor, firstNonFinite } from './tensor.js';

/** One picture's labelled answer: a line of the prediction file. */
export type Prediction = {
  at: string;
  seq: number;
  release: string;
  digest: Digest;
  deployment: DeploymentId;
  /** The picture's file name, where it came from the source. */
  source?: string;
  top: Ranked[];
  computeMs: number;
  totalMs: number;
};

/** `stale`: too old to say something about what lies before the camera now. */
export type Quality = 'good' | 'stale';
/** What the slot's API returns. */
export type GradedPrediction = Prediction & { quality: Quality };

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

/** The one way to the model: every inference, wherever it comes from, is queued and counted here. */
export class Inferences {
  #seq = 0;

  constructor(
    readonly release: LoadedRelease,
    readonly served: Served,
    private readonly queue: InferenceQueue,
    private readonly monitor: Monitor,
  ) {}

  /** Raw tensors. `encode` makes the caller's answer; where it throws, the inference has failed. `since` is when the request came. */
  async infer<T>(
    inputs: readonly Tensor[],
    encode: (outputs: readonly Tensor[]) => T,
    { since = performance.now(), ...submission }: Submission & { since?: number } = {},
  ): Promise<T> {
    // What a client's NaN or empty tensor leads to says nothing about the release.
    const counted = inputs.every((tensor) => tensor.data.length > 0 && firstNonFinite(tensor) < 0);
    const finish = (outputs: readonly Tensor[]) => ({
      value: encode(outputs),
      top: this.release.pipeline.postprocess(outputs)[0],
    });
    // Nor shall it touch the answers of others.
    const { value } = await this.#run({ inputs, since, submission: { ...submission, alone: !counted }, counted }, finish);
    return value;
  }

  async predict(encoded: Uint8Array, source?: string): Promise<Prediction> {
    const since = performance.now();
    const tensor = await this.#preprocess(encoded);
    const {
      value: top,
      computeUs,
      totalUs,
    } = await this.#run({ inputs: [tensor], since, submission: {}, counted: true }, (outputs) => {
      const ranked = this.release.pipeline.postprocess(outputs);
      return { value: ranked, top: ranked[0] };
    });
    const { digest, deployment } = this.served;
    return {
      at: new Date().toISOString(),
      seq: this.#seq++,
      release: this.release.name,
      digest,
      deployment,
      ...(source === undefined ? {} : { source }),
      top,
      computeMs: computeUs / 1000,
      totalMs: totalUs / 1000,
    };
  }

  async #preprocess(encoded: Uint8Array): Promise<Tensor> {
    const { pipeline, name } = this.release;
    if (!pipeline.preprocess) throw new BadPicture(`${name} declares no preprocessing for pictures; ask it with tensors`);
    try {
      return await pipeline.preprocess(encoded);
    } catch (error) {
      throw new BadPicture(`the picture can't be read: ${messageOf(error)}`, { cause: error });
    }
  }

  async #run<T>(
    { inputs, since, submission, counted }: Run,
    finish: (outputs: readonly Tensor[]) => { value: T; top: Ranked | undefined },
  ): Promise<Answer<T>> {
    const elements = hasBatchDimension(this.release.model) ? (inputs[0]?.shape[0] ?? 1) : 1;
    try {
      const { outputs, wallUs, cpuUs, queueUs } = await this.queue.submit(inputs, submission);
      this.monitor.executed(elements, wallUs);
      const { value, top } = finish(outputs);
      const totalUs = microsecondsSince(since);
      this.monitor.succeeded({ cpuUs, queueUs, computeUs: wallUs, totalUs }, top, elements);
      return { value, computeUs: wallUs, totalUs };
    } catch (error) {
      if (error instanceof Overloaded) {
        this.monitor.shed();
        throw error;
      }
      if (counted) this.monitor.failed(microsecondsSince(since));
      throw new InferenceFailed(`the inference failed: ${messageOf(error)}`, { cause: error });
    }
  }
}

const microsecondsSince = (since: number) => Math.round((performance.now() - since) * 1000);
