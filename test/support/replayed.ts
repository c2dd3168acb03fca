import { reduceRollout, type RolloutEvent, type RolloutState } from '@flotilla/control-plane/core/rollout';
import { RolloutPlan } from '@flotilla/protocol';
import type { DataSource } from 'typeorm';
import { expect } from 'vitest';

/** What was written down of a rollout, replayed from a draft, gives each state that was stored, and the one it is in. */
export async function expectReplayed(db: DataSource, id: string): Promise<void> {
  const [row] = await db.query<{ plan: unknown; state: RolloutState }[]>(`SELECT plan, state FROM rollout WHERE id = $1`, [id]);
  const events = await db.query<{ event: RolloutEvent; state: RolloutState }[]>(
    `SELECT event, state FROM rollout_event WHERE rollout = $1 ORDER BY id`,
    [id],
  );
  const plan = RolloutPlan.parse(row!.plan);
  let state: RolloutState = { phase: 'draft' };
  for (const { event, state: stored } of events) {
    const step = reduceRollout(plan, state, event);
    if ('refused' in step) throw new Error(`the log holds a refused ${event.type}: ${step.refused}`);
    expect(step.state).toEqual(stored);
    state = step.state;
  }
  expect(state).toEqual(row!.state);
}
