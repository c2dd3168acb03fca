import { randomUUID } from 'node:crypto';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { Initial1795359287598 } from '@flotilla/control-plane/migrations/1795359287598-initial';
import { CountRepository } from '@flotilla/control-plane/rollouts/count.repository';
import { EvidenceRepository } from '@flotilla/control-plane/rollouts/evidence.repository';
import { RolloutRepository } from '@flotilla/control-plane/rollouts/rollout.repository';
import { TargetRepository } from '@flotilla/control-plane/rollouts/target.repository';
import { RolloutId } from '@flotilla/protocol';
import { expect, it } from 'vitest';
import { anEmptyDatabase } from '../../support/postgres.js';

/** As the first version stored it, in the middle of its first stage, paused on a breach. */
const plan = {
  apiVersion: 'flotilla/v1',
  kind: 'Rollout',
  name: 'under-way',
  release: 'product-classifier@1.1.0',
  slot: 'inspection',
  target: '*',
  stages: [
    { name: 'first', count: 1, soak: 5, deadline: 300 },
    { name: 'rest', percent: 100, soak: 5, deadline: 300 },
  ],
  gates: [
    { metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 100 },
    { metric: 'errors', max: 0.02, minInferences: 100 },
  ],
  success: { committed: 0.98, coverage: 0.9, minDecided: 1, maxDeferred: 0.1, deviceDeadline: 60 },
  probation: { inferences: 20, timeoutS: 30 },
  onBreach: 'pause',
};
const state = {
  phase: 'paused',
  reason: 'breach',
  detail: 'x',
  failedMetrics: ['errors'],
  stage: 0,
  stagePhase: 'activating',
  openedAt: 5,
  accepted: { failed: 1, metrics: ['errors'], coverage: false },
};

it('a rollout that was under way before gates judged by betting goes on', async () => {
  const { url, close } = await anEmptyDatabase();
  const id = RolloutId.parse(randomUUID());
  try {
    const first = await openDatabase(url, undefined, [Initial1795359287598]);
    await first.query(
      `INSERT INTO rollout (id, name, digest, slot, plan, salt, state, phase, created_at, updated_at)
       VALUES ($1, 'under-way', 'd', 'inspection', $2, 's', $3, 'paused', now(), now())`,
      [id, JSON.stringify(plan), JSON.stringify(state)],
    );
    await first.query(
      `INSERT INTO rollout_target (rollout, device, stage, state, deployment, inferences, compute_cpu_us, baseline_us)
       VALUES ($1, 'a', 0, 'committed', $2, 50, 450000, 9000), ($1, 'b', 1, 'waiting', NULL, 0, 0, NULL)`,
      [id, randomUUID()],
    );
    await first.destroy();

    const db = await openDatabase(url);
    const row = await new RolloutRepository(db).get(id);
    expect(row.plan).toMatchObject({ name: 'under-way', evidence: { falseAlarm: 0.01 } });
    expect(row.state).toMatchObject({ phase: 'paused', toAccept: { failed: [1], metrics: ['0/errors'] } });
    expect(row.alarms).toBe(4);
    const observation = await new TargetRepository(new EvidenceRepository(), new CountRepository()).observe(db.manager, row);
    expect(observation.stages.map(({ counts }) => [counts.committed, counts.waiting])).toEqual([
      [1, 0],
      [0, 1],
    ]);
    const [target] = await db.query<{ baseline: object }[]>(`SELECT baseline FROM rollout_target WHERE device = 'a'`);
    expect(target!.baseline).toMatchObject({ computeMeanUs: 9000, computeP95Us: 9000 });
    await db.destroy();
  } finally {
    await close();
  }
});
