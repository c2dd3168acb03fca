import type { DeviceId, Digest, GroupName, RolloutId, RolloutPlan } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AssignmentsService } from '../fleet/assignments.service.js';
import { groupByName } from '../fleet/groups.repository.js';
import { refuseUnknownGroups } from '../fleet/selection.js';
import { parseSelector } from '../fleet/selector.js';
import { type Bind, selectorSql } from '../fleet/selector-sql.js';

/** What a device would go from, as far as it decides whether it could run a release. */
type Standing = Readonly<{ agent: string | null; runs: string | null }>;
/** `first`: some, by name. */
export type StageSize = Readonly<{ stage: number; devices: number; offline: number; rejected: number }> & {
  readonly classes: Readonly<Record<string, number>>;
  readonly first: readonly DeviceId[];
};
type Wanted = Pick<RolloutPlan, 'slot' | 'pace' | 'group' | 'target'>;

const atOnce = 5000;
const named = 20;
const runs = `(SELECT r.model || '@' || r.version FROM slot_report s JOIN release r ON r.digest = s.committed
   WHERE s.device = p.device AND s.slot = $1)`;
const hash = (text: string) => `sha256(convert_to($1 || ' ' || ${text}, 'UTF8'))`;

/**
 * A plan laid over the fleet, in two tables that end with the transaction: who belongs to its target (`plan_member`), and who of them
 * falls in which stage (`plan_place`). However many devices there are, none of them is ever here.
 */
@Injectable()
export class CohortRepository {
  constructor(@Inject(AssignmentsService) private readonly assignments: AssignmentsService) {}

  async gather(tx: EntityManager, plan: Wanted): Promise<void> {
    await tx.query(`DROP TABLE IF EXISTS pg_temp.plan_member, pg_temp.plan_place`);
    await tx.query(`CREATE TEMP TABLE plan_member (device text PRIMARY KEY, stratum text, hardware_class text, agent text, online boolean,
      label text, kept_out text) ON COMMIT DROP`);
    const by = plan.pace.maxUnavailable?.by ?? null;
    const values: unknown[] = [by];
    const belongs = await belongsTo(tx, plan, (value) => `$${values.push(value)}`);
    await tx.query(
      `INSERT INTO plan_member SELECT device.id, device.profile || ' ' || coalesce(device.labels ->> 'site', ''), device.hardware_class,
         device.agent, device.online, CASE WHEN $1::text IS NOT NULL THEN coalesce(device.labels ->> $1, '') END
       FROM device WHERE device.status = 'active' AND ${belongs} ORDER BY device.id`,
      values,
    );
  }

  async members(tx: EntityManager): Promise<number> {
    const [sum] = await tx.query<[{ n: number }]>(`SELECT count(*)::int n FROM plan_member`);
    return sum.n;
  }

  /** Devices that are pinned, or on which the release is blocked, stay out. Blocked everywhere: why. */
  async keepOut(tx: EntityManager, digest: Digest, { slot }: Wanted): Promise<string | undefined> {
    for (let after = ''; ;) {
      const page = await tx.query<{ device: DeviceId }[]>(
        `SELECT device FROM plan_member WHERE device > $1 ORDER BY device LIMIT ${atOnce}`,
        [after],
      );
      const devices = page.map(({ device }) => device);
      const { blocked, keptOut } = await this.assignments.obstacles(tx, digest, slot, devices);
      if (blocked !== undefined) return blocked;
      if (keptOut.size > 0)
        await tx.query(
          `UPDATE plan_member m SET kept_out = k.reason FROM unnest($1::text[], $2::text[]) k(device, reason) WHERE m.device = k.device`,
          [[...keptOut.keys()], [...keptOut.values()]],
        );
      if (devices.length < atOnce) return undefined;
      after = devices.at(-1)!;
    }
  }

  /**
   * The order of the devices that are left, and how many they are: by hash(salt, device), in turn from the strata (profile, site), so
   * that a stage meets every kind of board and site and no two rollouts pick the same first devices.
   */
  async order(tx: EntityManager, salt: string): Promise<number> {
    await tx.query(`CREATE TEMP TABLE plan_place (device text, hardware_class text, agent text, online boolean, label text,
      place int PRIMARY KEY, stage int, reason text) ON COMMIT DROP`);
    await tx.query(
      `INSERT INTO plan_place SELECT device, hardware_class, agent, online, label, row_number() OVER (ORDER BY turn, rank)
       FROM (SELECT *, row_number() OVER (PARTITION BY stratum ORDER BY ${hash('device')}) turn, ${hash('stratum')} rank
             FROM plan_member WHERE kept_out IS NULL) m`,
      [salt],
    );
    // It has no statistics, and none come by themselves.
    await tx.query(`ANALYZE plan_place`);
    const [sum] = await tx.query<[{ n: number }]>(`SELECT count(*)::int n FROM plan_place`);
    return sum.n;
  }

  /** The next devices of that order; how many there were. Without a bound: all that the stage's selector matches. */
  async take(
    tx: EntityManager,
    stage: number,
    { most, selector }: { most?: number | undefined; selector?: string },
  ): Promise<number> {
    const values: unknown[] = [stage, most ?? null];
    const matches =
      selector === undefined
        ? 'TRUE'
        : `EXISTS (SELECT 1 FROM device WHERE device.id = p.device AND (${await selected(tx, selector, (value) => `$${values.push(value)}`)}))`;
    const [, n] = await tx.query<[unknown, number]>(
      `UPDATE plan_place SET stage = $1 WHERE place IN (SELECT p.place FROM plan_place p WHERE p.stage IS NULL AND ${matches}
         ORDER BY p.place LIMIT $2)`,
      values,
    );
    return n;
  }

  standings(tx: EntityManager, slot: string): Promise<Standing[]> {
    return tx.query(`SELECT DISTINCT p.agent, ${runs} runs FROM plan_place p WHERE p.stage IS NOT NULL`, [slot]);
  }

  async reject(tx: EntityManager, slot: string, items: readonly (Standing & { reason: string })[]): Promise<void> {
    if (items.length === 0) return;
    await tx.query(
      `UPDATE plan_place p SET reason = c.reason FROM unnest($2::text[], $3::text[], $4::text[]) c(agent, runs, reason)
       WHERE p.stage IS NOT NULL AND p.agent IS NOT DISTINCT FROM c.agent AND ${runs} IS NOT DISTINCT FROM c.runs`,
      [slot, items.map((i) => i.agent), items.map((i) => i.runs), items.map((i) => i.reason)],
    );
  }

  /** Of each stage that has a device. */
  async sizes(tx: EntityManager): Promise<StageSize[]> {
    return tx.query(
      `SELECT s.stage, sum(s.devices)::int devices, sum(s.offline)::int offline, sum(s.rejected)::int rejected,
              jsonb_object_agg(s.hardware_class, s.devices) classes,
              array(SELECT f.device FROM plan_place f WHERE f.stage = s.stage ORDER BY f.device LIMIT ${named}) first
       FROM (SELECT stage, hardware_class, count(*) devices, count(*) FILTER (WHERE NOT online) offline, count(reason) rejected
             FROM plan_place WHERE stage IS NOT NULL GROUP BY stage, hardware_class) s GROUP BY s.stage ORDER BY s.stage`,
    );
  }

  /** Who will not be offered it, and why: those that could not run it first; and how many no stage takes. */
  async others(tx: EntityManager, most: number): Promise<{ rejected: { device: DeviceId; reason: string }[]; leftOut: number }> {
    const rejected = await tx.query<{ device: DeviceId; reason: string }[]>(
      `SELECT device, reason FROM (SELECT device, reason, 1 nth FROM plan_place WHERE reason IS NOT NULL
         UNION ALL SELECT device, kept_out, 2 FROM plan_member WHERE kept_out IS NOT NULL) r ORDER BY nth, device LIMIT $1`,
      [most],
    );
    const [left] = await tx.query<[{ n: number }]>(`SELECT count(*)::int n FROM plan_place WHERE stage IS NULL`);
    return { rejected, leftOut: left.n };
  }

  async inGroups(tx: EntityManager, groups: readonly GroupName[]): Promise<Map<GroupName, number>> {
    if (groups.length === 0) return new Map();
    const rows = await tx.query<{ name: GroupName; n: number }[]>(
      `SELECT m.group_name "name", count(*)::int n FROM group_member m JOIN plan_place p ON p.device = m.device
       WHERE p.stage IS NOT NULL AND m.group_name = ANY($1::text[]) GROUP BY 1`,
      [groups],
    );
    return new Map(rows.map(({ name, n }) => [name, n]));
  }

  /** In the order in which stages are offered: what is offered together lies together. */
  async store(tx: EntityManager, rollout: RolloutId): Promise<void> {
    await tx.query(
      `INSERT INTO rollout_target (rollout, device, stage, state, reason, hardware_class, label)
       SELECT $1, device, stage, CASE WHEN reason IS NULL THEN 'waiting' ELSE 'rejected' END, reason, hardware_class, label
       FROM plan_place WHERE stage IS NOT NULL ORDER BY stage, device`,
      [rollout],
    );
    await tx.query(
      `INSERT INTO rollout_label (rollout, value, n) SELECT $1, label, count(*) FROM plan_place
       WHERE stage IS NOT NULL AND label IS NOT NULL GROUP BY label`,
      [rollout],
    );
  }
}

async function belongsTo(tx: EntityManager, { group, target }: Wanted, bind: Bind): Promise<string> {
  if (group === undefined) return `(${await selected(tx, target!, bind)})`;
  const { name } = await groupByName(tx, group);
  return `EXISTS (SELECT 1 FROM group_member m WHERE m.device = device.id AND m.group_name = ${bind(name)})`;
}

async function selected(tx: EntityManager, text: string, bind: Bind): Promise<string> {
  const selector = parseSelector(text);
  await refuseUnknownGroups(tx, selector);
  return selectorSql(selector, bind);
}
