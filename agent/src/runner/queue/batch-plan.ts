/** One request as the batcher sees it: whole, never split. */
export type Member = {
  /** Equal for those that may be computed together; undefined for one that goes alone. */
  key: string | undefined;
  rows: number;
  since: number;
  /** An answer later than this is of no use. */
  deadline: number;
};
/** `maxRows` 1 is no batching. `delayMs`: how long a batch that is not full may be held for more. */
export type Batching = { maxRows: number; delayMs: number };
type Plan<M> = {
  /** Their time would be over before they were answered. */
  late: M[];
  /** What to run now; empty where nothing is left or `holdUntil` is told. */
  batch: M[];
  holdUntil?: number;
};
type Situation = Batching & { now: number; expectedMs: (rows: number) => number };

/** Pure: what comes next of those that wait, the most urgent first. The first that can be answered in time leads; who fits joins it in order. */
export function planNext<M extends Member>(waiting: readonly M[], situation: Situation): Plan<M> {
  const { now, expectedMs } = situation;
  const first = waiting.findIndex(({ rows, deadline }) => now + expectedMs(rows) <= deadline);
  const late = waiting.slice(0, first < 0 ? waiting.length : first);
  if (first < 0) return { late, batch: [] };
  const batch = gather(waiting.slice(first), situation);
  const holdUntil = heldUntil(batch, situation);
  // Others wait behind it: holding the worker for company would cost them.
  const alone = late.length + batch.length === waiting.length;
  return holdUntil !== undefined && alone && now < holdUntil ? { late, batch: [], holdUntil } : { late, batch };
}

function gather<M extends Member>([leader, ...others]: readonly M[], { maxRows, now, expectedMs }: Situation): M[] {
  const batch = [leader!];
  let { rows, deadline } = leader!;
  if (leader!.key === undefined) return batch;
  for (const next of others) {
    const together = rows + next.rows;
    const end = Math.min(deadline, next.deadline);
    // Company makes a run longer: nobody is made late by it.
    if (next.key !== leader!.key || together > maxRows || now + expectedMs(together) > end) continue;
    batch.push(next);
    [rows, deadline] = [together, end];
  }
  return batch;
}

function heldUntil(batch: readonly Member[], { maxRows, delayMs, expectedMs }: Situation): number | undefined {
  const [leader] = batch;
  if (delayMs === 0 || leader?.key === undefined || rowsOf(batch) >= maxRows) return undefined;
  const oldest = Math.min(...batch.map(({ since }) => since));
  return Math.min(oldest + delayMs, ...batch.map(({ deadline }) => deadline - expectedMs(maxRows)));
}

export const rowsOf = (members: readonly Pick<Member, 'rows'>[]) => members.reduce((sum, { rows }) => sum + rows, 0);
