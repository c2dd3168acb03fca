import sharp from 'sharp';
import { type Tensor, elementsOf } from '@flotilla/agent/runner/tensor';
import type { ExpectedNetwork, From } from './expected.js';
import { pictureFile } from './expected.js';

type Case = ExpectedNetwork['cases'][number];

/** The very bits that the Python script fed: each of its formulas again, rounded to single precision where it rounds. */
export async function inputsOf(network: ExpectedNetwork, { inputs }: Case, previous: readonly Tensor[]): Promise<Tensor[]> {
  return Promise.all(
    inputs.map(async ({ shape, from }, i) => {
      const { name, type } = network.inputs[i]!;
      return { name, type, shape, data: await dataOf(from, elementsOf(shape), previous) };
    }),
  );
}

async function dataOf(from: From, elements: number, previous: readonly Tensor[]): Promise<Tensor['data']> {
  if ('picture' in from) return pixels(from);
  if ('fractions' in from) return fractions(from.fractions, elements);
  if ('wave' in from) return wave(from);
  if ('previous' in from) return previous.find(({ name }) => name === from.previous)!.data;
  return from.type === 'INT64'
    ? new BigInt64Array(elements).fill(BigInt(from.values[0]!))
    : new Float32Array(elements).fill(from.values[0]!);
}

async function pixels({ picture, mean, std, layout }: Extract<From, { picture: string }>): Promise<Float32Array<ArrayBuffer>> {
  const { data, info } = await sharp(pictureFile(picture)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const plane = info.width * info.height;
  const values = new Float32Array(3 * plane);
  for (let i = 0; i < data.length; i++) {
    const at = layout === 'NHWC' ? i : (i % 3) * plane + Math.floor(i / 3);
    values[at] = Math.fround(data[i]! - mean) / std;
  }
  return values;
}

function fractions(seed: number, elements: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return new Float32Array(elements).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 23 - 1;
  });
}

function wave({ wave: step, samples, context }: Extract<From, { wave: number }>): Float32Array<ArrayBuffer> {
  const first = step * samples - context;
  return new Float32Array(samples + context).map((_, n) => {
    const i = first + n;
    if (i < 0) return 0;
    const teeth = [134, 67, 29].reduce((sum, period) => sum + ((i % period) / period - 0.5), 0);
    return (teeth * (i % 2000)) / 4000;
  });
}
