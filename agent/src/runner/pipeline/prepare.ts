import type { Crop, PipelineOverrides } from '@flotilla/protocol/device';
import type { Tensor } from '../tensor.js';
import type { Moment, Picture, Preprocess, SignalWindow, Stage, View } from './stages.js';
import type { StepClock } from './step-clock.js';
import type { Opened } from './steps.js';

/** A tensor for the model, and how the picture lies in it. `at`, `uncertain`: of a window of a signal. */
export type Prepared = { tensor: Tensor; view: View | undefined } & Partial<Pick<SignalWindow, 'at' | 'uncertain'>> & {
    /** The other tiles of the same picture, made when they are asked for: all at once would be too much memory. */
    others?: readonly (() => Promise<Prepared>)[];
  };
/** What this device changes in the release's steps, and when and of what stream the input was taken. */
export type Circumstances = { overrides?: PipelineOverrides | undefined; moment?: Moment | undefined };

/** The device's configuration is at fault, not the input. */
export class BadOverride extends Error {
  override readonly name = 'BadOverride';
}

/** The steps, one after the other, to the tensor of that name; to none or several where the input is a chunk of a signal. */
export const preparing =
  (steps: readonly Opened<Preprocess>[], name: string, clock: StepClock) =>
  async (first: Stage, { overrides = {}, moment }: Circumstances = {}): Promise<Prepared[]> => {
    let decoded: Picture | undefined;
    const run = async (stage: Stage, { name: step, run: take }: Opened<Preprocess>) => {
      const since = performance.now();
      const next = await take(stage, moment);
      clock.add(step, since);
      if (next.kind === 'picture') decoded = next;
      return next;
    };
    const go = async (stage: Stage, rest: readonly Opened<Preprocess>[]): Promise<Prepared[]> => {
      if (stage.kind === 'windows') {
        const prepared: Prepared[] = [];
        for (const window of stage.windows) {
          const { at, uncertain } = window;
          for (const one of await go(window, rest)) prepared.push({ ...one, at, uncertain });
        }
        return prepared;
      }
      if (stage.kind === 'tiles') {
        // Their pixels are looked at later than this.
        decoded = undefined;
        const [first, ...others] = stage.tiles.map((tile) => async () => (await go(tile, rest))[0]!);
        return [{ ...(await first!()), others }];
      }
      const [step, ...others] = rest;
      return step ? go(await run(stage, step), others) : [preparedFrom(stage, name)];
    };
    const prepared = await go(first, overrides.crop ? await croppedInstead(steps, overrides.crop) : steps);
    // Megabytes a picture, which the collector would see too late; a picture that was handed in belongs to somebody else.
    if (first.kind === 'encoded') decoded?.free?.();
    return prepared;
  };

function preparedFrom(stage: Stage, name: string): Prepared {
  if (stage.kind !== 'tensor') throw new Error(`preprocessing ends with ${stage.kind}, not with a tensor`);
  const { type, shape, data, view } = stage;
  return { tensor: { name, type, shape, data }, view };
}

/** In place of the release's own crop, or before the picture is resized. */
async function croppedInstead(steps: readonly Opened<Preprocess>[], crop: Crop): Promise<Opened<Preprocess>[]> {
  const others = steps.filter(({ name }) => name !== 'crop');
  const at = others.findIndex(({ name }) => name === 'tile' || name === 'resize');
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
