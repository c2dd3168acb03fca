import { rowsOf } from './batch-plan.js';
import { free, joined, parted } from './batch-tensors.js';
import type { EngineRun } from '../engine/engine.js';
import type { Tensor } from '../tensor.js';

export type Run = (inputs: readonly Tensor[]) => Promise<EngineRun>;
type Asked = { inputs: readonly Tensor[]; rows: number };
type Outcome = { done: EngineRun } | { failed: unknown };

/** What comes of each member, in order. */
export async function runBatch(run: Run, batch: readonly Asked[]): Promise<Outcome[]> {
  if (batch.length === 1) return [await attempt(run, batch[0]!)];
  try {
    return (await runTogether(run, batch)).map((done) => ({ done }));
  } catch {
    // What spoils a run may be one member's values: each is asked alone before anyone is refused.
    const outcomes: Outcome[] = [];
    for (const member of batch) outcomes.push(await attempt(run, member));
    return outcomes;
  }
}

/** Wall time is the batch's, for each waited as long; CPU time is shared by rows. */
export async function runTogether(run: Run, batch: readonly Asked[]): Promise<EngineRun[]> {
  const { outputs, wallUs, cpuUs } = await run(joined(batch.map(({ inputs }) => inputs)));
  const rows = rowsOf(batch);
  const parts = parted(
    outputs,
    batch.map((member) => member.rows),
  );
  for (const { inputs } of batch) free(inputs);
  return parts.map((own, i) => ({ outputs: own, wallUs, cpuUs: Math.round((cpuUs * batch[i]!.rows) / rows) }));
}

async function attempt(run: Run, { inputs }: Asked): Promise<Outcome> {
  try {
    return { done: await run(inputs) };
  } catch (failed) {
    return { failed };
  }
}
