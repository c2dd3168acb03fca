import type { Manifest, Network } from '@flotilla/protocol/device';
import type { EngineRun } from '../../engine/engine.js';
import { type Pipeline, openPipeline } from '../pipeline.js';
import type { Findings } from '../../../prediction.js';
import type { Tensor } from '../../tensor.js';
import { type Made, type Preprocess, type Stage, type View, expectStage } from '../stages.js';
import { type Opened, openPreprocess } from '../steps.js';
import { StepClock } from '../step-clock.js';
import type { Scene } from './scene.js';

export type OpenNetwork = {
  name: string;
  prepare: (scene: Scene) => Promise<{ tensor: Tensor; view: View | undefined }>;
  /** Boxes in pixels of the scene. */
  find: (outputs: readonly Tensor[], view: View | undefined) => Findings;
  computed: (run: Pick<EngineRun, 'wallUs'>) => void;
  clock: Pipeline['clock'];
  /** Of what the network itself took. */
  runs: { count: number; sumMs: number };
};

/** A network with its steps; the picture is decoded already, so that of `decode` the colour alone is left. */
export async function openNetwork(name: string, network: Network, manifest: Manifest, folder: string): Promise<OpenNetwork> {
  const { preprocess, inputs } = network;
  const steps = preprocess.filter((step) => !('decode' in step));
  const colour = preprocess.flatMap((step) => ('decode' in step ? [step.decode.colour] : []))[0] ?? 'rgb';
  const before = await openPreprocess(steps, nothingAround);
  const after = await openPipeline({ ...manifest, ...network, preprocess: [] }, folder);
  const clock = new StepClock(steps.map((step) => Object.keys(step).join()));
  const runs = { count: 0, sumMs: 0 };
  return {
    name,
    prepare: (scene) => prepared(scene, colour, before, clock, inputs[0]!.name),
    find: (outputs, view) => after.postprocess(outputs, view).findings,
    computed: ({ wallUs }) => {
      runs.count += 1;
      runs.sumMs += wallUs / 1000;
    },
    clock: { families: (labels) => [...clock.families(labels), ...after.clock.families(labels)] },
    runs,
  };
}

/** A step that needs nothing of its release. */
export const nothingAround = { outputs: [], labels: () => Promise.reject(new Error('a step of preprocessing asked for labels')) };

async function prepared(
  { data, width, height }: Scene,
  colour: 'rgb' | 'bgr' | 'grey-bt601',
  steps: readonly Opened<Preprocess>[],
  clock: StepClock,
  name: string,
): Promise<{ tensor: Tensor; view: View | undefined }> {
  const pixels = () => Promise.resolve({ data, width, height });
  let stage: Stage = { kind: 'picture', pixels, width, height, colour };
  for (const step of steps) {
    const since = performance.now();
    stage = await step.run(stage);
    clock.add(step.name, since);
  }
  const made: Made = expectStage(stage, 'tensor');
  return { tensor: { name, type: made.type, shape: made.shape, data: made.data }, view: made.view };
}
