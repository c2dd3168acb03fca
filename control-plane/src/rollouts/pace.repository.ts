import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Counts } from '../core/counts.js';
import { mostOf, type Budgets, type LabelTally } from '../core/pace.js';
import type { Held, Observation } from '../core/rollout-state.js';
import type { RolloutRow } from './rollout.entity.js';
import { underWay } from './rollout.repository.js';
import type { Closed } from './rollout-windows.js';

type Paced = Pick<RolloutRow, 'id' | 'plan' | 'bytes' | 'slot'>;
type Stage = Readonly<{ stage: number; counts: Counts }>;
export type PaceObservation = Pick<Observation, 'held' | 'budgets' | 'after'>;

/** What is counted anew takes no more than such a part of the time. */
const share = 20;
const mostKnown = 1000;

/** What bounds a rollout besides its own counts: closed windows, budgets, and the rollouts that it comes after. */
@Injectable()
export class PaceRepository {
  readonly #waiting = new Map<string, { key: string; n: number; until: number }>();

  /** `counts`: of the stage. Of many that wait, only those of closed groups have to be counted again. */
  async observe(tx: EntityManager, row: Paced, { stage, counts }: Stage, closed: Closed, at: Date): Promise<PaceObservation> {
    const held = closed.never ? undefined : await this.held(tx, row, { stage, counts }, closed, at);
    const budgets = counts.waiting === 0 ? undefined : await this.budgets(tx, row, stage, closed, at);
    return { ...(held ? { held } : {}), ...(budgets ? { budgets } : {}) };
  }

  /** The newest of each name, as it is. */
  async after(tx: EntityManager, names: readonly string[]): Promise<{ name: string; phase: string }[]> {
    return tx.query(
      `SELECT DISTINCT ON (name) name, phase FROM rollout WHERE name = ANY($1::text[]) ORDER BY name, created_at DESC`,
      [names],
    );
  }

  async offered(tx: EntityManager, { id, plan }: Paced, devices: number, at: Date): Promise<void> {
    if (plan.pace.bandwidth === undefined || devices === 0) return;
    const forgotten = new Date(at.getTime() - 2 * plan.pace.bandwidth.per * 1000);
    await tx.query(`DELETE FROM rollout_offer WHERE rollout = $1 AND at < $2`, [id, forgotten]);
    await tx.query(`INSERT INTO rollout_offer (rollout, at, devices) VALUES ($1, $2, $3)`, [id, at, devices]);
  }

  private async held(
    tx: EntityManager,
    row: Paced,
    { stage, counts }: Stage,
    closed: Closed,
    at: Date,
  ): Promise<Held | undefined> {
    const waiting = closed.all ? counts.waiting : await this.waitingIn(tx, row, { stage, counts }, closed.groups);
    const { open, until } = counts.open === 0 ? { open: 0, until: null } : await this.notAllowed(tx, row, stage, at);
    if (waiting + open === 0) return undefined;
    const begins = open === 0 ? [] : [`${open} wait to begin it${until ? ` from ${until.toISOString()}` : ''}`];
    return { waiting, open, why: [...(closed.why && waiting > 0 ? [closed.why] : []), ...begins].join('; ') };
  }

  /** As long as nothing has moved, a count that took long is not made again at once: the offer itself looks at each device anyway. */
  private async waitingIn(tx: EntityManager, { id }: Paced, { stage, counts }: Stage, groups: Closed['groups']): Promise<number> {
    if (groups.length === 0) return 0;
    const key = [stage, counts.waiting, ...groups].join(' ');
    const known = this.#waiting.get(id);
    const from = performance.now();
    if (known?.key === key && from < known.until) return known.n;
    const [sum] = await tx.query<{ n: number }[]>(
      `SELECT count(*)::int n FROM rollout_target t WHERE t.rollout = $1 AND t.stage = $2 AND t.state = 'waiting' AND ${inGroups('$3')}`,
      [id, stage, groups],
    );
    const now = performance.now();
    if (this.#waiting.size > mostKnown) this.#waiting.clear();
    this.#waiting.set(id, { key, n: sum!.n, until: now + share * (now - from) });
    return sum!.n;
  }

  private async notAllowed(tx: EntityManager, { id, slot }: Paced, stage: number, at: Date) {
    const [sum] = await tx.query<{ open: number; until: Date | null }[]>(
      `SELECT count(*)::int "open", min(x.after) until FROM rollout_target t
       JOIN activation x ON x.device = t.device AND x.slot = $3 AND x.deployment = t.deployment
       WHERE t.rollout = $1 AND t.stage = $2 AND t.state = 'open' AND (x.hold OR x.after > $4 OR x.before <= $4)`,
      [id, stage, slot, at],
    );
    return sum!;
  }

  private async budgets(tx: EntityManager, row: Paced, stage: number, closed: Closed, at: Date): Promise<Budgets | undefined> {
    const { maxUnavailable, bandwidth } = row.plan.pace;
    if (!maxUnavailable && !bandwidth) return undefined;
    const labels = maxUnavailable && (await this.labels(tx, row, stage, closed));
    const bytes = bandwidth && (await this.spent(tx, row, new Date(at.getTime() - bandwidth.per * 1000)));
    return { ...(labels ? { labels } : {}), ...(bytes ? { bytes } : {}) };
  }

  private async spent(tx: EntityManager, { id, bytes }: Paced, since: Date) {
    const [sum] = await tx.query<{ n: number }[]>(
      `SELECT coalesce(sum(devices), 0)::int n FROM rollout_offer WHERE rollout = $1 AND at > $2`,
      [id, since],
    );
    return { perDevice: bytes, spent: sum!.n * bytes };
  }

  /**
   * Of each value that a device of the rollout has: those under way in any rollout, of whatever slot (the device is the same), and of
   * those that wait no more than could be let go.
   */
  private async labels(tx: EntityManager, { id, plan }: Paced, stage: number, closed: Closed): Promise<LabelTally[]> {
    const limit = plan.pace.maxUnavailable!;
    const all = await tx.query<{ value: string; n: number }[]>(`SELECT value, n FROM rollout_label WHERE rollout = $1`, [id]);
    return tx.query(
      `WITH busy AS (
         SELECT ${valueOf('$2')} value, count(DISTINCT t.device)::int n FROM rollout_target t
         JOIN rollout r ON r.id = t.rollout AND r.phase = ANY($6) JOIN device d ON d.id = t.device
         WHERE t.state IN ('open', 'rolling-back') GROUP BY 1
       )
       SELECT own.value, w.n waiting, own.n "all", coalesce(busy.n, 0) "inFlight"
       FROM unnest($7::text[], $8::int[], $9::int[]) own(value, n, most) LEFT JOIN busy USING (value), LATERAL (
         SELECT count(*)::int n FROM (SELECT 1 FROM rollout_target t WHERE t.rollout = $1 AND t.stage = $3 AND t.state = 'waiting'
           AND t.label = own.value AND NOT ($4 OR ${inGroups('$5')}) LIMIT own.most) few) w`,
      [
        id,
        limit.by,
        stage,
        closed.all,
        closed.groups,
        underWay,
        all.map(({ value }) => value),
        all.map(({ n }) => n),
        all.map(({ n }) => mostOf(limit, n)),
      ],
    );
  }
}

/** Devices without the label are bounded together, as those of one value. */
const valueOf = (parameter: string) => `coalesce(d.labels ->> CAST(${parameter} AS text), '')`;
export const inGroups = (parameter: string) =>
  `EXISTS (SELECT 1 FROM group_member m WHERE m.device = t.device AND m.group_name = ANY(${parameter}::text[]))`;
