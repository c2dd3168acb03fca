import { join } from 'node:path';
import { type Baseline, type Manifest, releaseName, variantName } from '@flotilla/protocol/device';
import type { ToRunner } from '../runner-protocol.js';
import { type BatchingOutcome, tryBatching } from './queue/batching.js';
import { type Engine, type EngineRun, type LoadedModel, ModelRefused } from './engine/engine.js';
import { signatureMismatch } from './engine/signature.js';
import { ReleaseFault } from './fault.js';
import { messageOf } from '../errors.js';
import type { LoadedNetwork } from './pipeline/graph/load-graph.js';
import { type Pipeline, openPipeline } from './pipeline/pipeline.js';
import { type Probed, areGuessed, probesOf } from './probe.js';
import type { Tensor } from './tensor.js';

export type LoadOrder = Extract<ToRunner, { type: 'preflight' | 'measure' | 'serve' }>;
export type ServeOrder = Extract<LoadOrder, { type: 'serve' }>;
export type LoadedRelease = {
  manifest: Manifest;
  name: string;
  model: LoadedModel;
  pipeline: Pipeline;
  /** One inference: a run of the model, or of a graph a whole pass. */
  run: (inputs: readonly Tensor[]) => Promise<EngineRun>;
  /** Of a graph. */
  networks?: readonly LoadedNetwork[];
  /** How many runs are computed at once. */
  instances: number;
  probes: readonly Probed[];
  /** Why the model takes no made-up input; absent where it does. */
  unproven?: string | undefined;
  /** Absent where the release declares no batching. */
  batching?: BatchingOutcome | undefined;
  /** What is counted against; absent where the release brings none. */
  baseline?: Baseline | undefined;
};

const warmUpRuns = 3;

/** Everything that can be wrong with a release before its first inference is a `load` fault. */
export async function loadRelease(order: LoadOrder, engine: Engine): Promise<LoadedRelease> {
  const { manifest, folder } = order;
  if (manifest.baseline === undefined) return loadModels(order, engine);
  const { readBaseline } = await import('./monitor/read-baseline.js');
  const baseline = await readBaseline(manifest, folder).catch((error: unknown): never => {
    throw new ReleaseFault('load', `${releaseName(manifest)}: its baseline can't be used: ${messageOf(error)}`);
  });
  return { ...(await loadModels(order, engine)), baseline };
}

async function loadModels(order: LoadOrder, engine: Engine): Promise<LoadedRelease> {
  const { manifest, folder, variant } = order;
  const name = releaseName(manifest);
  const blame =
    (what: string) =>
    (error: unknown): never => {
      throw new ReleaseFault('load', `${name}: ${what}: ${messageOf(error)}`);
    };
  if (!manifest.variants.some((candidate) => variantName(candidate) === variant))
    blame(variant)('it is no variant of this release');
  if (manifest.networks) return loadNetworks(order, engine).catch(blame(`${variant} can't be used`));
  const pipeline = await openPipeline(manifest, folder).catch(blame('its pipeline is wrong'));
  const model = await loadModel(engine, order).catch(blame(`${variant} does not load`));
  const mismatch = signatureMismatch(manifest, model);
  if (mismatch) blame(`${variant} is not what the manifest says`)(mismatch);
  const probes = probesOf(manifest, model.inputs);
  const unproven = await warmUp(engine, probes).catch(blame(`${variant} fails at its first inference`));
  const batching = await tryBatching(manifest, model, engine, order.batching);
  const run = (inputs: readonly Tensor[]) => engine.run(inputs);
  return { manifest, name, model, pipeline, run, instances: engine.concurrency, probes, unproven, batching };
}

/** Several networks, of which each is loaded by its name. */
async function loadNetworks(order: LoadOrder, engine: Engine): Promise<LoadedRelease> {
  const { manifest, folder, variant, intraOpThreads, workers = 1, providers = ['cpu'], engineCache: cacheFolder } = order;
  const { loadGraph } = await import('./pipeline/graph/load-graph.js');
  const load = { intraOpThreads, workers, providers, cacheFolder };
  const graph = await loadGraph({ manifest, folder, variant, load }, engine);
  const unproven = graph.networks.find((network) => network.unproven !== undefined)?.unproven;
  return { manifest, name: releaseName(manifest), ...graph, instances: engine.concurrency, unproven };
}

/** Why that failed, where it says nothing about the model. */
async function warmUp(engine: Engine, probes: readonly Probed[]): Promise<string | undefined> {
  try {
    await engine.warm(warmUpRuns, probes);
    return undefined;
  } catch (error) {
    if (areGuessed(probes)) return messageOf(error);
    throw error;
  }
}

async function loadModel(engine: Engine, order: LoadOrder): Promise<LoadedModel> {
  const { manifest, folder, variant, intraOpThreads, workers = 1, providers = ['cpu'], engineCache: cacheFolder } = order;
  const fixedShapes = manifest.inputs.every(({ shape }) => shape.every((dimension) => dimension >= 0));
  try {
    return await engine.load({ path: join(folder, variant), intraOpThreads, fixedShapes, workers, providers, cacheFolder });
  } catch (error) {
    if (error instanceof ModelRefused) throw error;
    throw new Error(`the engine is at fault: ${messageOf(error)}`, { cause: error });
  }
}
