import type { Crop, PipelineOverrides } from '@flotilla/protocol';
import type { Tensor } from '../tensor.js';
import type { Preprocess, Stage, View } from './stages.js';
import type { StepClock } from './step-clock.js';
import type { Opened } from './steps.js';

/** A tensor for the model, and how the picture lies in it. */
export type Prepared = { tensor: Tensor; view: View | undefined };

/** The device's configuration is at fault, not the input. */
export class BadOverride extends Error {
  override readonly name = 'BadOverride';
}

/** The steps, one after the other, to the tensor of that name. */
export const preparing =
  (steps: readonly Opened<Preprocess>[], name: string, clock: StepClock) =>
  async (first: Stage, { crop }: PipelineOverrides = {}): Promise<Prepared> => {
    let stage = first;
    for (const step of crop ? await croppedInstead(steps, crop) : steps) {
      const since = performance.now();
      stage = await step.run(stage);
      clock.add(step.name, since);
    }
    if (stage.kind !== 'tensor') throw new Error(`preprocessing ends with ${stage.kind}, not with a tensor`);
    const { type, shape, data, view } = stage;
    return { tensor: { name, type, shape, data }, view };
  };

/** In place of the release's own crop, or before the picture is resized. */
async function croppedInstead(steps: readonly Opened<Preprocess>[], crop: Crop): Promise<Opened<Preprocess>[]> {
  const others = steps.filter(({ name }) => name !== 'crop');
  const at = others.findIndex(({ name }) => name === 'resize');
  if (at < 0) throw new BadOverride('the device cuts out a part of the picture (crop), but the release takes no pictures');
  const { openCrop } = await import('./preprocess/crop.js');
  const cut = openCrop(crop);
  const run: Preprocess = async (stage) => {
    try {
      return await cut(stage);
    } catch (error) {
      throw new BadOverride(`the device's crop does not fit: ${(error as Error).message}`, { cause: error });
    }
  };
  return others.toSpliced(at, 0, { name: 'crop', run });
}
