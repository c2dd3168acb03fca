import type { DeviceId, RolloutId } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Member } from '../fleet/devices.repository.js';
import { refuseUnknownGroups } from '../fleet/selection.js';
import { parseSelector } from '../fleet/selector.js';
import { selectorSql } from '../fleet/selector-sql.js';
import { underWay } from './rollout.repository.js';
import type { RolloutRow } from './rollout.entity.js';

type Late = Pick<RolloutRow, 'id' | 'slot' | 'plan'>;
type Newcomer = Pick<Member, 'id' | 'agent' | 'hardwareClass'>;
/** Whatever a newer rollout brings to the same slots, an older one has nothing more to say there. */
const newer = (rollout: string) =>
  `EXISTS (SELECT 1 FROM rollout n WHERE n.slot = ${rollout}.slot AND n.created_at > ${rollout}.created_at
     AND n.phase NOT IN ('draft', 'rejected') AND EXISTS (SELECT 1 FROM rollout_target a JOIN rollout_target b ON b.device = a.device
       WHERE a.rollout = n.id AND b.rollout = ${rollout}.id))`;

/** Devices that come to a rollout late. */
@Injectable()
export class LatecomersRepository {
  /** Rollouts that may take new devices: those that run, and those that are complete and continuous. */
  async open(tx: EntityManager): Promise<RolloutId[]> {
    const rows = await tx.query<{ id: RolloutId }[]>(
      `SELECT r.id FROM rollout r WHERE (r.phase = 'running' OR (r.phase = 'completed' AND (r.plan ->> 'continuous')::boolean))
         AND NOT ${newer('r')} ORDER BY r.created_at`,
    );
    return rows.map(({ id }) => id);
  }

  /** Complete rollouts of which a device is under way again: it was offline when its stage ended. */
  async back(tx: EntityManager): Promise<RolloutId[]> {
    const rows = await tx.query<{ id: RolloutId }[]>(
      `SELECT r.id FROM rollout r WHERE r.phase = 'completed'
         AND EXISTS (SELECT 1 FROM rollout_target t WHERE t.rollout = r.id AND t.state = 'open') AND NOT ${newer('r')}`,
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Devices that belong to its target and its last stage, that it does not know, and that no other rollout moves in the slot; `among`
   * those alone, or all. By id.
   */
  async newcomers(tx: EntityManager, { id, slot, plan }: Late, among?: readonly DeviceId[]): Promise<Newcomer[]> {
    const values: unknown[] = [id, slot, underWay];
    const bind = (value: unknown) => `$${values.push(value)}`;
    const selected = async (text: string) => {
      const selector = parseSelector(text);
      await refuseUnknownGroups(tx, selector);
      return selectorSql(selector, bind);
    };
    const last = plan.stages.at(-1)!;
    // One of so many devices, or of a share, is not for more.
    if (!('devices' in last) && !('percent' in last && last.percent === 100)) return [];
    const belongs = [
      plan.group === undefined ? await selected(plan.target!) : memberOf(bind(plan.group)),
      ...('devices' in last ? [await selected(last.devices)] : []),
      ...(among ? [`device.id = ANY(${bind(among)}::text[])`] : []),
    ];
    return tx.query(
      `SELECT device.id, device.agent, device.hardware_class "hardwareClass" FROM device
       WHERE device.status = 'active' AND ${belongs.map((condition) => `(${condition})`).join(' AND ')}
         AND NOT EXISTS (SELECT 1 FROM rollout_target t WHERE t.rollout = $1 AND t.device = device.id)
         AND NOT EXISTS (SELECT 1 FROM rollout_target t JOIN rollout r ON r.id = t.rollout
           WHERE t.device = device.id AND r.slot = $2 AND r.phase = ANY($3) AND t.state IN ('waiting', 'open', 'rolling-back'))
       ORDER BY device.id`,
      values,
    );
  }
}

const memberOf = (group: string) =>
  `EXISTS (SELECT 1 FROM group_member m WHERE m.device = device.id AND m.group_name = ${group})`;
