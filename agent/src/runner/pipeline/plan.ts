import type { Decode, Manifest, Normalise, Resize } from '@flotilla/protocol';
import type { z } from 'zod';

/** What a release does to a picture before the model sees it, and to the model's answer. */
export type PicturePlan = {
  input: string;
  decode: z.infer<typeof Decode>;
  resize: z.infer<typeof Resize>;
  normalise: z.infer<typeof Normalise>;
};
export type AnswerPlan = { output: string; softmax: boolean; topK?: { k: number; labels: string } };

type Steps = Pick<Manifest, 'preprocess' | 'postprocess' | 'inputs' | 'outputs'>;

/** Undefined for a release without preprocessing: it is asked with tensors only. Throws where the steps make no sense together. */
export function picturePlan({ preprocess, inputs }: Steps): PicturePlan | undefined {
  if (preprocess.length === 0) return undefined;
  const [first, second, third, ...rest] = preprocess;
  if (
    !first ||
    !('decode' in first) ||
    !second ||
    !('resize' in second) ||
    !third ||
    !('normalise' in third) ||
    rest.length > 0
  ) {
    const given = preprocess.map((step) => Object.keys(step).join()).join(', ');
    throw new Error(`preprocess is ${given}; it must be decode, resize, normalise, in this order`);
  }
  const [input, ...others] = inputs;
  if (!input || others.length > 0) throw new Error(`a picture goes into one input, the model has ${inputs.length}`);
  const { decode, resize, normalise } = { ...first, ...second, ...third };
  const shape = tensorShape({ resize, normalise });
  const fits = input.shape.length === 4 && input.shape.every((dimension, i) => dimension === -1 || dimension === shape[i]);
  if (!fits || input.type !== 'FP32')
    throw new Error(
      `preprocess gives FP32 [${shape.join(',')}], the input ${input.name} is ${input.type} [${input.shape.join(',')}]`,
    );
  return { input: input.name, decode, resize, normalise };
}

/** The answer is the first output. */
export function answerPlan({ postprocess, outputs }: Steps): AnswerPlan {
  const names = postprocess.map((step) => Object.keys(step).join());
  if (!['', 'softmax', 'top-k', 'softmax,top-k'].includes(names.join()))
    throw new Error(`postprocess is ${names.join(', ')}; it may be softmax, then top-k`);
  const top = postprocess.find((step) => 'top-k' in step);
  const plan = { output: outputs[0]!.name, softmax: names.includes('softmax') };
  return top ? { ...plan, topK: top['top-k'] } : plan;
}

export function tensorShape({ resize, normalise }: Pick<PicturePlan, 'resize' | 'normalise'>): [number, number, number, number] {
  const { width, height } = resize;
  return normalise.layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
}

export type Scaling = { width: number; height: number; left: number; top: number };

/**
 * The size that the whole picture is scaled to, and the corner of the part that is kept. centre-crop: the kept part is
 * `cropFraction` of the shorter side; sizes are rounded half up, the corner down (test/models/README.md has the same in Python).
 */
export function scaling(
  picture: { width: number; height: number },
  { width, height, fit, cropFraction }: PicturePlan['resize'],
): Scaling {
  if (fit === 'stretch') return { width, height, left: 0, top: 0 };
  const across = Math.round(width / cropFraction);
  const down = Math.round(height / cropFraction);
  // The side that needs the greater enlargement is met exactly; the other follows, and is cropped more.
  const scaled =
    across / picture.width >= down / picture.height
      ? { width: across, height: Math.round((picture.height * across) / picture.width) }
      : { width: Math.round((picture.width * down) / picture.height), height: down };
  return { ...scaled, left: Math.floor((scaled.width - width) / 2), top: Math.floor((scaled.height - height) / 2) };
}
