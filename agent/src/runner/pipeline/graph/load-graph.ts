import { join } from 'node:path';
import { type InputSignature, type Manifest, type Network, graphProblem, variantName } from '@flotilla/protocol/device';
import type { Engine, EngineRun, LoadedModel } from '../../engine/engine.js';
import { signatureMismatch } from '../../engine/signature.js';
import { free } from '../../../free.js';
import { messageOf } from '../../../errors.js';
import type { Pipeline } from '../pipeline.js';
import { type Probed, areGuessed, probesOf } from '../../probe.js';
import type { Tensor } from '../../tensor.js';
import { findingsOutput, findingsTensor, graphPipeline, pictureInput } from './graph-pipeline.js';
import { type OpenNetwork, openNetwork } from './network.js';
import { Pass } from './pass.js';
import { wholeScene } from './scene.js';

/** Of one network, for its proof. */
export type LoadedNetwork = OpenNetwork & { probes: readonly Probed[]; unproven: string | undefined };
type LoadedGraph = {
  model: LoadedModel;
  pipeline: Pipeline;
  probes: readonly Probed[];
  networks: readonly LoadedNetwork[];
  /** A whole pass: a picture in, findings out. */
  run: (inputs: readonly Tensor[]) => Promise<EngineRun>;
};
type Order = {
  manifest: Manifest;
  folder: string;
  variant: string;
  load: Omit<Parameters<Engine['load']>[0], 'path' | 'network' | 'fixedShapes'>;
};

const warmUpRuns = 3;
/** A made-up picture, where no real one is at hand. */
const example = { shape: [480, 640, 3] };

/** Throws an Error that says which network is wrong, and how. */
export async function loadGraph(order: Order, engine: Engine): Promise<LoadedGraph> {
  const { manifest, folder } = order;
  const problem = graphProblem(manifest);
  if (problem !== undefined) throw new Error(problem);
  const { networks = {}, graph = {} } = manifest;
  const opened: LoadedNetwork[] = [];
  const models: LoadedModel[] = [];
  for (const [name, network] of Object.entries(networks)) {
    const open = await openNetwork(name, network, manifest, folder).catch(blame(`the pipeline of ${name} is wrong`));
    const { model, ...proof } = await loadNetwork(name, network, order, engine);
    models.push(model);
    opened.push({ ...open, ...proof });
  }
  const byName = new Map(opened.map((network) => [network.name, network]));
  const run = async (inputs: readonly Tensor[]) => {
    const pass = new Pass(byName, (tensors, network) => engine.run(tensors, network));
    const scene = sceneOf(inputs[0]!);
    try {
      const { findings, wallUs, cpuUs } = await pass.through(graph, scene);
      return { outputs: [findingsTensor(findings)], wallUs, cpuUs };
    } finally {
      // Given away, as every input is: megabytes that the collector would see too late.
      free(scene.data);
    }
  };
  const probes = [{ ...pictureInput, example }];
  return { model: together(models), pipeline: await graphPipeline(manifest, opened), probes, networks: opened, run };
}

const blame =
  (what: string) =>
  (error: unknown): never => {
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error });
  };

async function loadNetwork(name: string, network: Network, { manifest, folder, variant, load }: Order, engine: Engine) {
  const file = manifest.variants.find((candidate) => variantName(candidate) === variant)?.files?.[name];
  if (file === undefined) throw new Error(`${variant} names no file for ${name}`);
  const fixedShapes = network.inputs.every(({ shape }) => shape.every((dimension) => dimension >= 0));
  const model = await engine
    .load({ ...load, path: join(folder, file), network: name, fixedShapes })
    .catch(blame(`${name} (${file}) does not load`));
  const mismatch = signatureMismatch(network, model);
  if (mismatch) throw new Error(`${name} (${file}) is not what the manifest says: ${mismatch}`);
  const probes = probesOf(network, model.inputs);
  return { model, probes, unproven: await warmUp(name, probes, engine) };
}

/** Why that failed, where it says nothing about the network. */
async function warmUp(name: string, probes: readonly Probed[], engine: Engine): Promise<string | undefined> {
  try {
    await engine.warm(warmUpRuns, probes, undefined, name);
    return undefined;
  } catch (error) {
    if (areGuessed(probes)) return messageOf(error);
    return blame(`${name} fails at its first inference`)(error);
  }
}

function together(models: readonly LoadedModel[]): LoadedModel {
  const shortfalls = models.flatMap(({ shortfall }) => shortfall ?? []);
  return {
    inputs: [pictureInput] satisfies InputSignature[],
    outputs: [findingsOutput],
    loadMs: models.reduce((sum, { loadMs }) => sum + loadMs, 0),
    // The graph is as fast as what falls short.
    provider: models.find(({ provider }) => provider === 'cpu')?.provider ?? models[0]!.provider,
    ...(shortfalls.length > 0 ? { shortfall: [...new Set(shortfalls)].join('; ') } : {}),
  };
}

function sceneOf({ shape, data }: Tensor) {
  const [height, width] = shape as [number, number];
  if (width < 1 || height < 1) throw new Error(`the picture is ${width}×${height}`);
  return wholeScene(data as Uint8Array, width, height);
}
