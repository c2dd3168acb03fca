import { RolloutPlan, type RolloutId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, In, type EntityManager } from 'typeorm';
import type { RolloutEvent, RolloutState } from '../core/rollout.js';
import { restored } from '../core/stored-state.js';
import { AppError } from '../platform/errors.js';
import { RolloutEventRow, RolloutRow, RolloutTargetRow } from './rollout.entity.js';

export type NewTarget = Pick<RolloutTargetRow, 'device' | 'stage' | 'state' | 'reason' | 'hardwareClass'>;
/** Rollouts that have devices to themselves. */
export const underWay = ['awaiting-approval', 'scheduled', 'running', 'paused', 'rolling-back'];
/** Fewer do not change what PostgreSQL knows of the table. */
const many = 1000;
const atOnce = 5000;

@Injectable()
export class RolloutRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** For reading, outside of a transaction. */
  get manager(): EntityManager {
    return this.db.manager;
  }

  /** Runs `work` with the rollout's row locked; everything it writes is stored together, or nothing is. */
  async locked<T>(id: RolloutId, work: (tx: EntityManager, rollout: RolloutRow) => Promise<T>): Promise<T> {
    return this.transaction(async (tx) => {
      const row = await tx.findOne(RolloutRow, { where: { id }, lock: { mode: 'pessimistic_write' } });
      if (!row) throw notFound(id);
      return work(tx, asOfNow(row));
    });
  }

  /** Reports and ticks take rows in different orders; PostgreSQL breaks the rare deadlock and the loser goes again. */
  async transaction<T>(work: (tx: EntityManager) => Promise<T>, attempts = 3): Promise<T> {
    try {
      return await this.db.transaction(work);
    } catch (error) {
      if (attempts <= 1 || !isDeadlock(error)) throw error;
      return this.transaction(work, attempts - 1);
    }
  }

  async insert(tx: EntityManager, rollout: RolloutRow): Promise<void> {
    await tx.insert(RolloutRow, rollout);
  }

  /**
   * Of a table that has just grown manifold PostgreSQL knows nothing until it looks by itself, a minute later: it would read all of it
   * for each handful of rows.
   */
  async placed(tx: EntityManager, devices: number): Promise<void> {
    if (devices >= many) await tx.query('ANALYZE rollout_target');
  }

  /** In parts: the driver keeps a buffer of the size of its largest message for ever. */
  async addTargets(tx: EntityManager, rollout: RolloutRow, targets: readonly NewTarget[]): Promise<void> {
    for (let from = 0; from < targets.length; from += atOnce) await this.addPart(tx, rollout, targets.slice(from, from + atOnce));
    await this.tallyLabels(
      tx,
      rollout,
      targets.map(({ device }) => device),
    );
  }

  /** Devices that have come late: how many have which value of the plan's label. */
  private async tallyLabels(tx: EntityManager, { id, plan }: RolloutRow, devices: readonly string[]): Promise<void> {
    if (!plan.pace.maxUnavailable) return;
    await tx.query(
      `INSERT INTO rollout_label (rollout, value, n) SELECT rollout, label, count(*) FROM rollout_target
       WHERE rollout = $1 AND device = ANY($2::text[]) GROUP BY rollout, label
       ON CONFLICT (rollout, value) DO UPDATE SET n = rollout_label.n + excluded.n`,
      [id, devices],
    );
  }

  private async addPart(tx: EntityManager, { id: rollout, plan }: RolloutRow, targets: readonly NewTarget[]): Promise<void> {
    await tx.query(
      `INSERT INTO rollout_target (rollout, device, stage, state, reason, hardware_class, label)
       SELECT $1, t.*, CASE WHEN $7::text IS NOT NULL THEN coalesce(d.labels ->> $7, '') END
       FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[]) t(device, stage, state, reason, hardware_class)
       JOIN device d ON d.id = t.device`,
      [
        rollout,
        targets.map((t) => t.device),
        targets.map((t) => t.stage),
        targets.map((t) => t.state),
        targets.map((t) => t.reason),
        targets.map((t) => t.hardwareClass),
        plan.pace.maxUnavailable?.by ?? null,
      ],
    );
  }

  /** The state and the event that led to it: one row each, in the caller's transaction. */
  async save(
    tx: EntityManager,
    id: RolloutId,
    change: { state: RolloutState; event: RolloutEvent; actor: string; at: Date },
  ): Promise<void> {
    const { state, event, actor, at } = change;
    await tx.query(`UPDATE rollout SET state = $2, phase = $3, updated_at = $4 WHERE id = $1`, [
      id,
      JSON.stringify(state),
      state.phase,
      at,
    ]);
    await tx.insert(RolloutEventRow, {
      rollout: id,
      at,
      actor,
      event: event as unknown as Record<string, unknown>,
      state,
    } as never);
  }

  /** The database's own time: control planes whose clocks differ still agree on it. */
  async now(tx: EntityManager = this.db.manager): Promise<Date> {
    const [row] = await tx.query<{ now: Date }[]>(`SELECT clock_timestamp() now`);
    return row!.now;
  }

  /** The newest of that name. */
  async newest(tx: EntityManager, name: string): Promise<RolloutRow | null> {
    const row = await tx.findOne(RolloutRow, { where: { name }, order: { createdAt: 'DESC' } });
    return row && asOfNow(row);
  }

  async get(id: RolloutId): Promise<RolloutRow> {
    const row = await this.db.manager.findOneBy(RolloutRow, { id });
    if (!row) throw notFound(id);
    return asOfNow(row);
  }

  async list(limit: number, before: string | undefined): Promise<RolloutRow[]> {
    const query = this.db.manager.createQueryBuilder(RolloutRow, 'r').orderBy('r.createdAt', 'DESC').take(limit);
    if (before) query.where('r.createdAt < :before', { before: new Date(before) });
    return (await query.getMany()).map(asOfNow);
  }

  /** Ids of the rollouts that a tick has to look at. */
  async active(): Promise<RolloutId[]> {
    const phases = ['scheduled', 'running', 'rolling-back', 'rollback-incomplete'];
    const rows = await this.db.query<{ id: RolloutId }[]>(
      `SELECT id FROM rollout WHERE phase = ANY($1) OR state ->> 'withdrawing' = 'true' ORDER BY created_at`,
      [phases],
    );
    return rows.map((row) => row.id);
  }

  async lockedIn(tx: EntityManager, phase: RolloutState['phase']): Promise<RolloutRow[]> {
    const lock = { mode: 'pessimistic_write' } as const;
    return (await tx.find(RolloutRow, { where: { phase }, order: { createdAt: 'ASC' }, lock })).map(asOfNow);
  }

  async lockedById(tx: EntityManager, ids: readonly string[]): Promise<RolloutRow[]> {
    const lock = { mode: 'pessimistic_write' } as const;
    return (await tx.find(RolloutRow, { where: { id: In(ids as RolloutId[]) }, order: { id: 'ASC' }, lock })).map(asOfNow);
  }

  /** Rollouts that still move some of a plan's devices in this slot; of one priority they would fight over them. */
  overlapping(
    tx: EntityManager,
    slot: string,
    among: 'plan_member' | 'plan_place',
    priority?: number,
  ): Promise<{ id: RolloutId; name: string; device: string }[]> {
    const own = `SELECT device FROM ${among} ${among === 'plan_place' ? 'WHERE stage IS NOT NULL' : ''}`;
    return tx.query(
      `SELECT r.id, r.name, min(t.device) device FROM rollout_target t JOIN rollout r ON r.id = t.rollout
       WHERE r.slot = $1 AND r.phase = ANY($2) AND t.state IN ('waiting', 'open', 'rolling-back') AND t.device IN (${own})
         AND ($3::int IS NULL OR coalesce((r.plan ->> 'priority')::int, 0) = $3)
       GROUP BY r.id, r.name, r.created_at ORDER BY r.created_at`,
      [slot, underWay, priority ?? null],
    );
  }
}

/** Plans and states were written by this version or an earlier one. */
const asOfNow = (row: RolloutRow): RolloutRow => ({
  ...row,
  plan: RolloutPlan.parse(row.plan),
  state: restored(row.state),
});
const notFound = (id: string) => new AppError('ROLLOUT_NOT_FOUND', `no rollout ${id}; \`flotilla rollouts list\` names them`);
const isDeadlock = (error: unknown) => ['40P01', '40001'].includes((error as { code?: string }).code ?? '');
