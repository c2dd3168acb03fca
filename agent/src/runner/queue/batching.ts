import { type Manifest, batchObstacle } from '@flotilla/protocol/device';
import type { BatchingTrial } from '../../runner-protocol.js';
import { runTogether } from './batch-run.js';
import type { Engine, LoadedModel } from '../engine/engine.js';
import { messageOf } from '../../errors.js';
import { cosine } from '../pipeline/answer.js';
import { type Probed, probe, probesOf } from '../probe.js';
import { type Tensor, numbersOf } from '../tensor.js';

export type BatchingOutcome = (BatchingTrial & { on: true; maxRows: number; delayMs: number }) | (BatchingTrial & { on: false });

type Tried = LoadedModel & { probes: readonly Probed[] };

/** Below it, batches cost more in waiting than they give. */
const leastGain = 1.1;
const timedRounds = 7;
/** A slow model's start-up is not held up for its measurement. */
const timedMs = 1000;
/** Kernels for other sizes round differently; an answer that depends on its neighbours goes another way. */
const leastCosine = 0.99;

/** Every size that is declared: 1, the powers of two between, and the largest. */
export function batchSizes(maxBatch: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < maxBatch; size *= 2) sizes.push(size);
  return [...sizes, maxBatch];
}

/** Warms the model up at each size and, where that is not known yet, sees whether batches give each member its own answer, and whether they pay. */
export async function tryBatching(
  manifest: Manifest,
  model: LoadedModel,
  engine: Engine,
  known?: BatchingTrial,
): Promise<BatchingOutcome | undefined> {
  const { batching: declared } = manifest;
  if (!declared) return undefined;
  const probes = probesOf(manifest, model.inputs);
  const trial = known?.on === false ? known : await tried(declared.maxBatch, { ...model, probes }, engine, known);
  return trial.on ? { ...trial, on: true, maxRows: declared.maxBatch, delayMs: declared.maxDelayMs } : { ...trial, on: false };
}

async function tried(maxBatch: number, model: Tried, engine: Engine, known?: BatchingTrial): Promise<BatchingTrial> {
  const obstacle = batchObstacle(model);
  if (obstacle) return { on: false, why: obstacle };
  try {
    for (const size of batchSizes(maxBatch).slice(1)) await engine.warm(1, model.probes, size);
    if (known) return known;
    const difference = await differenceInBatch(model, engine, maxBatch);
    if (difference) return { on: false, why: difference };
  } catch (error) {
    return { on: false, why: `a batch of up to ${maxBatch} fails: ${messageOf(error)}` };
  }
  const gain = await measureGain(model, engine, maxBatch);
  if (gain >= leastGain) return { on: true, gain };
  return { on: false, gain, why: `batches of ${maxBatch} gain ${gain.toFixed(2)}, less than ${leastGain}` };
}

const askedWith = ({ probes }: Tried, seed: number) => ({ inputs: probes.map((input) => probe(input, seed, 1)), rows: 1 });
const batchOf = (model: Tried, rows: number) => Array.from({ length: rows }, (_, seed) => askedWith(model, seed));
const runOn = (engine: Engine) => (inputs: readonly Tensor[]) => engine.run(inputs);

/** A free first dimension need not be a batch: a sequence has one too, and dynamic quantisation scales over all rows. */
async function differenceInBatch(model: Tried, engine: Engine, rows: number): Promise<string | undefined> {
  const together = await runTogether(runOn(engine), batchOf(model, rows));
  for (const seed of new Set([0, rows - 1])) {
    const { outputs } = await engine.run(askedWith(model, seed).inputs);
    const differs = outputs.find((output, i) => !alike(output, together[seed]!.outputs[i]!));
    if (differs) return `the output ${differs.name} of a request is another one in a batch of ${rows} than alone`;
  }
  return undefined;
}

function alike(alone: Tensor, inBatch: Tensor): boolean {
  if (alone.data.join() === inBatch.data.join()) return true;
  if (Array.isArray(alone.data) || alone.data.length !== inBatch.data.length) return false;
  return cosine(numbersOf(alone), numbersOf(inBatch)) >= leastCosine;
}

/** The best of several, taken in turns: what else the machine does disturbs both alike. */
async function measureGain(model: Tried, engine: Engine, rows: number): Promise<number> {
  const began = performance.now();
  let [one, many] = [Infinity, Infinity];
  for (let round = 0; round < timedRounds && performance.now() - began < timedMs; round++) {
    one = Math.min(one, await timed(engine, batchOf(model, 1)));
    many = Math.min(many, await timed(engine, batchOf(model, rows)));
  }
  return (rows * one) / many;
}

async function timed(engine: Engine, batch: ReturnType<typeof batchOf>): Promise<number> {
  const began = performance.now();
  if (batch.length === 1) await engine.run(batch[0]!.inputs);
  else await runTogether(runOn(engine), batch);
  return performance.now() - began;
}
