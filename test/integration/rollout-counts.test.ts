import { randomUUID } from 'node:crypto';
import { CountRepository } from '@flotilla/control-plane/rollouts/count.repository';
import { RolloutId } from '@flotilla/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aDatabase, type Database } from '../support/postgres.js';

let db: Database;
let close: () => Promise<void>;
beforeAll(async () => ({ db, close } = await aDatabase()));
afterAll(async () => close?.());

const counts = new CountRepository();
const byStageAndState = (rows: readonly { stage: number; state: string; n: number }[]) =>
  rows.map(({ stage, state, n }) => `${stage} ${state} ${n}`).toSorted();

async function aRollout(devices: number): Promise<RolloutId> {
  const id = RolloutId.parse(randomUUID());
  await db.query(
    `INSERT INTO rollout_target (rollout, device, stage, state) SELECT $1, 'dev-' || n, n % 3, 'waiting' FROM generate_series(1, $2) n`,
    [id, devices],
  );
  return id;
}
const move = (rollout: RolloutId, to: string, where: string) =>
  db.query(`UPDATE rollout_target SET state = $2 WHERE rollout = $1 AND ${where}`, [rollout, to]);
const counted = async (rollout: RolloutId) => byStageAndState(await counts.of(db.manager, rollout));
const there = async (rollout: RolloutId) =>
  byStageAndState(
    await db.query(`SELECT stage, state, count(*)::int n FROM rollout_target WHERE rollout = $1 GROUP BY stage, state`, [
      rollout,
    ]),
  );

it('are what is there, whatever statement made, moved or removed it', async () => {
  const [one, other] = [await aRollout(30), await aRollout(7)];
  await move(one, 'open', 'stage = 0');
  await move(one, 'committed', `device IN ('dev-3', 'dev-6')`);
  await move(one, 'failed-artifact', `device = 'dev-9'`);
  await db.query(`DELETE FROM rollout_target WHERE rollout = $1 AND device IN ('dev-1', 'dev-12')`, [one]);
  await db.query(`UPDATE rollout_target SET reason = 'nothing that counts' WHERE rollout = $1`, [one]);
  expect(await counted(one)).toEqual(await there(one));
  expect(await counted(one)).toContain('0 committed 2');
  expect(await counted(other)).toEqual(await there(other));
});

it('are those of before where a transaction is rolled back', async () => {
  const rollout = await aRollout(9);
  const before = await counted(rollout);
  const failing = db.transaction(async (tx) => {
    await tx.query(`UPDATE rollout_target SET state = 'open' WHERE rollout = $1`, [rollout]);
    expect(byStageAndState(await counts.of(tx, rollout))).toEqual(['0 open 3', '1 open 3', '2 open 3']);
    throw new Error('on purpose');
  });
  await expect(failing).rejects.toThrow('on purpose');
  expect(await counted(rollout)).toEqual(before);
});

it('lose nothing of a transaction that commits while they are put together', async () => {
  const rollout = await aRollout(600);
  for (let n = 1; n <= 300; n++) await move(rollout, 'open', `device = 'dev-${n}'`);
  const reporting = db.createQueryRunner();
  await reporting.startTransaction();
  await reporting.query(`UPDATE rollout_target SET state = 'committed' WHERE rollout = $1 AND device = 'dev-1'`, [rollout]);
  await db.transaction((tx) => counts.fold(tx, rollout));
  await reporting.commitTransaction();
  await reporting.release();
  expect(await counted(rollout)).toEqual(await there(rollout));
  const [{ n }] = await db.query(`SELECT count(*)::int n FROM rollout_count WHERE rollout = $1`, [rollout]);
  expect(n).toBeLessThan(20);
});
