import type { Baseline } from '@flotilla/protocol/device';
import { messageOf } from '../../errors.js';
import type { Payload } from '../../frame.js';
import type { Engine } from '../engine/engine.js';
import { Inferences } from '../inferences.js';
import { type LoadOrder, type LoadedRelease, loadRelease } from '../loading.js';
import { readInputs } from '../oip/inputs.js';
import { readWav, type Sound } from '../pipeline/signal/wav.js';
import { InferenceQueue } from '../queue/queue.js';
import { requestInputs } from '../slot-api/predict-request.js';
import { Collector } from './collector.js';
import { type Example, examplesIn } from './examples.js';

type MadeBaseline = {
  /** Undefined where nothing could be used. */
  baseline?: Baseline;
  /** What could not be used, and why the first. */
  refused: number;
  firstRefusal?: string;
};
type Parts = { inferences: Inferences; release: LoadedRelease };

/** Each example goes the way of a real input: through the release's own steps and the model. */
export async function makeBaseline(
  order: LoadOrder & { examples: string },
  engine: Engine,
  onProgress: (fraction: number) => void,
): Promise<MadeBaseline> {
  const release = await loadRelease(order, engine);
  const { slot, deployment, digest, variant } = order;
  const queue = new InferenceQueue((inputs) => release.run(inputs), { length: 4, bytes: 512 * 2 ** 20 });
  const collector = new Collector(release.manifest);
  const inferences = new Inferences(release, { slot, deployment, digest, variant }, queue, collector);
  const files = await examplesIn(order.examples);
  const refusals: string[] = [];
  for (const [i, { name, read }] of files.entries()) {
    const examples = await read().catch((error: unknown) => (refusals.push(`${name}: ${messageOf(error)}`), []));
    for (const example of examples)
      await ask({ inferences, release }, example).catch((error: unknown) =>
        refusals.push(`${example.name}: ${messageOf(error)}`),
      );
    onProgress((i + 1) / files.length);
  }
  const [firstRefusal] = refusals;
  return {
    ...(collector.inferences > 0 && { baseline: collector.toBaseline() }),
    refused: refusals.length,
    ...(firstRefusal !== undefined && { firstRefusal }),
  };
}

async function ask(parts: Parts, example: Example): Promise<void> {
  if ('picture' in example) await frame(parts, example.name, { kind: 'encoded' }, example.picture);
  else if ('sound' in example) await hear(parts, example.name, readWav(example.sound));
  else await told(parts, example.name, JSON.parse(example.json) as Record<string, unknown>);
}

/** The model's tensors by name, `{"inputs": …}`, or features: `{"features": …}`, or at once. */
async function told({ inferences, release }: Parts, name: string, row: Record<string, unknown>): Promise<void> {
  if (!isObject(row)) throw new Error('it is no JSON object');
  const { inputs } = release.model;
  if (isObject(row['inputs'])) await inferences.predictFrom(readInputs(requestInputs(row['inputs'], inputs), inputs));
  else
    await frame(
      { inferences, release },
      name,
      { kind: 'features' },
      Buffer.from(JSON.stringify(isObject(row['features']) ? row['features'] : row)),
    );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const pieceS = 1;

/** As a source would bring it, piece by piece, each with the state that the one before it left. */
async function hear(parts: Parts, name: string, { rate, channels, data }: Sound): Promise<void> {
  const piece = Math.max(1, Math.round(rate * pieceS)) * channels;
  let state: Uint8Array | undefined;
  for (let from = 0; from < data.length; from += piece) {
    const samples = data.slice(from, from + piece);
    state = await frame(parts, name, { kind: 'signal', rate, channels }, new Uint8Array(samples.buffer), state);
  }
}

async function frame({ inferences }: Parts, name: string, payload: Payload, bytes: Uint8Array, state?: Uint8Array) {
  const head = { payload, stream: name.slice(-128), capturedAt: new Date().toISOString() };
  return (await inferences.predictFrame({ head, payload: bytes, state })).state;
}
