import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelRefused } from '@flotilla/agent/runner/engine/engine';
import { OrtEngine } from '@flotilla/agent/runner/engine/ort-engine';
import type { Tensor } from '@flotilla/agent/runner/tensor';
import { difference } from './compare.js';
import { readTensor } from './tensor-proto.js';

/** Where Debian's libonnx-testdata puts ONNX's own test vectors. */
export const debianVectors = '/usr/share/libonnx-testdata/data';

/** `passed`, or why not: `other-values`, `not-loaded` (no kernel for it), `not-run`, `not-served` (a sequence, bfloat16, …). */
export type VectorResult = {
  name: string;
  result: 'passed' | 'other-values' | 'not-loaded' | 'not-run' | 'not-served';
  why?: string;
};

const suites = ['node', 'pytorch-converted', 'pytorch-operator', 'simple'];

/** Every test that comes with its model, as `suite/test`. */
export async function listVectors(data: string): Promise<string[]> {
  const listed = await Promise.all(
    suites.map(async (suite) => (await readdir(join(data, suite))).map((test) => `${suite}/${test}`)),
  );
  return listed
    .flat()
    .filter((name) => existsSync(join(data, name, 'model.onnx')))
    .toSorted();
}

/** Through the engine as a slot uses it: one thread, one session after the other. */
export async function runVectors(data: string, names: readonly string[]): Promise<VectorResult[]> {
  const engine = new OrtEngine();
  try {
    const results: VectorResult[] = [];
    for (const name of names) results.push({ name, ...(await runVector(engine, join(data, name))) });
    return results;
  } finally {
    await engine.close();
  }
}

type Verdict = Omit<VectorResult, 'name'>;

async function runVector(engine: OrtEngine, folder: string): Promise<Verdict> {
  const model = await engine.load({ path: join(folder, 'model.onnx'), intraOpThreads: 1 }).catch(refusalOf);
  if ('result' in model) return model;
  const sets = (await readdir(folder)).filter((name) => name.startsWith('test_data_set_')).toSorted();
  for (const set of sets) {
    const verdict = await runSet(engine, join(folder, set), model);
    if (verdict.result !== 'passed') return verdict;
  }
  return sets.length > 0 ? { result: 'passed' } : { result: 'not-run', why: 'there are no vectors beside the model' };
}

async function runSet(engine: OrtEngine, folder: string, model: { inputs: Named; outputs: Named }): Promise<Verdict> {
  let expected: Tensor[];
  let outputs: Tensor[];
  try {
    expected = await readSide(folder, 'output', model.outputs);
    ({ outputs } = await engine.run(await readSide(folder, 'input', model.inputs)));
  } catch (error) {
    return { result: 'not-run', why: (error as Error).message };
  }
  const why = expected.map((tensor, i) => difference(outputs[i]!, tensor)).find((difference) => difference !== undefined);
  return why === undefined ? { result: 'passed' } : { result: 'other-values', why };
}

type Named = readonly { name: string }[];

/** The n-th file is for the n-th of the model's inputs or outputs. */
async function readSide(folder: string, side: 'input' | 'output', signature: Named): Promise<Tensor[]> {
  const files = (await readdir(folder)).filter((file) => file.startsWith(`${side}_`)).length;
  if (files !== signature.length) throw new Error(`${files} ${side} vectors came for ${signature.length} ${side}s`);
  return Promise.all(signature.map(async ({ name }, i) => readTensor(await readFile(join(folder, `${side}_${i}.pb`)), name)));
}

function refusalOf(error: unknown): Verdict {
  if (!(error instanceof ModelRefused)) throw error;
  return { result: /can't be served|can be served/.test(error.message) ? 'not-served' : 'not-loaded', why: error.message };
}
