import { type Crop, Decode, type Manifest } from '@flotilla/protocol/device';
import { messageOf } from '../../../errors.js';
import type { Findings } from '../../../prediction.js';
import { headline } from '../headline.js';
import type { Pipeline } from '../pipeline.js';
import { inputStage } from '../input.js';
import { BadOverride, type Circumstances, type Prepared } from '../prepare.js';
import { type AnyMemory, recollect } from '../memory/memory.js';
import { type Answering, expectStage, type Moment, type Picture, type Stage, type View } from '../stages.js';
import { openPostprocess } from '../steps.js';
import type { Tensor } from '../../tensor.js';
import { openDecode } from '../preprocess/decode.js';
import { graphFamilies } from './clock.js';
import { Feeds } from '../feeds.js';
import { type OpenNetwork, nothingAround } from './network.js';
import { moved } from './placed.js';

/** What a graph looks like from outside, to the queue and to clients of bare tensors. */
export const pictureInput = { name: 'picture', type: 'UINT8' as const, shape: [-1, -1, 3] };
export const findingsOutput = { name: 'findings', type: 'BYTES' as const, shape: [1] };

export const findingsTensor = (findings: Findings): Tensor => ({ ...findingsOutput, data: [JSON.stringify(findings)] });

function pictureTensor(data: Uint8Array, { width, height }: { width: number; height: number }): Tensor {
  // sharp's own buffer may be part of a larger one, which can't be given away.
  const own = data.byteLength === data.buffer.byteLength ? (data as Uint8Array<ArrayBuffer>) : Uint8Array.from(data);
  return { name: pictureInput.name, type: 'UINT8', shape: [height, width, 3], data: own };
}

/** The picture is decoded once; what the networks do to it is part of the pass. */
export async function graphPipeline({ networks = {}, postprocess }: Manifest, open: readonly OpenNetwork[]): Promise<Pipeline> {
  const said = Object.values(networks).flatMap(({ preprocess }) =>
    preprocess.flatMap((step) => ('decode' in step ? [step.decode] : [])),
  )[0];
  const decode = openDecode({ ...(said ?? Decode.parse({})), colour: 'rgb' });
  const found = ([output]: readonly Tensor[]): Findings => JSON.parse((output!.data as string[])[0]!) as Findings;
  const prepare = async (first: Stage, { overrides }: Circumstances = {}): Promise<[Prepared]> => {
    const whole = expectStage(await decode(first), 'picture');
    const picture = overrides?.crop ? await cropped(whole, overrides.crop) : whole;
    const { data, ...size } = await picture.pixels();
    return [{ tensor: pictureTensor(data, size), view: viewOf(picture) }];
  };
  const memories: AnyMemory[] = [];
  const steps = await openPostprocess(postprocess, { ...nothingAround, remember: (memory) => void memories.push(memory) });
  const overTime = (outputs: readonly Tensor[], findings: Findings, moment?: Moment): Findings =>
    steps.reduce((before: Answering, step) => step.run(before), { outputs, view: undefined, findings, moment }).findings;
  return {
    asked: 'picture',
    preprocess: async (input) => (await prepare(inputStage('picture', input)))[0],
    prepare,
    feeds: new Feeds({ inputs: [pictureInput] }, nothingAround),
    recollect: (state, stream) => (memories.length > 0 ? recollect(memories, state, stream) : undefined),
    postprocess: (outputs, view, moment) => {
      const findings = view ? moved(found(outputs), view) : found(outputs);
      return { findings: overTime(outputs, findings, moment), outputs };
    },
    headline: (outputs) => headline(found(outputs)),
    clock: { families: (labels) => graphFamilies(open, labels) },
  };
}

/** Of what this device cuts out: where it lies. */
const viewOf = ({ cut }: Picture): View | undefined =>
  cut && { scaleX: 1, scaleY: 1, shiftX: -cut.left, shiftY: -cut.top, width: cut.width, height: cut.height };

async function cropped(picture: Picture, crop: Crop): Promise<Picture> {
  const { openCrop } = await import('../preprocess/crop.js');
  try {
    return expectStage(await openCrop(crop)(picture), 'picture');
  } catch (error) {
    throw new BadOverride(`the device's crop does not fit: ${messageOf(error)}`, { cause: error });
  }
}
