import type { DeviceId, RolloutId } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { underWay } from './rollout.repository.js';
import type { RolloutRow } from './rollout.entity.js';

type Late = Pick<RolloutRow, 'id' | 'slot' | 'createdAt'>;
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
      `SELECT DISTINCT r.id FROM rollout_target t JOIN rollout r ON r.id = t.rollout
       WHERE t.state = 'open' AND r.phase = 'completed' AND NOT ${newer('r')}`,
    );
    return rows.map(({ id }) => id);
  }

  /** Of these, the ones that neither this rollout knows nor another one moves in the slot. */
  async unknown(tx: EntityManager, { id, slot }: Late, devices: readonly DeviceId[]): Promise<Set<DeviceId>> {
    const rows = await tx.query<{ device: DeviceId }[]>(
      `SELECT late.device FROM unnest($2::text[]) late(device) WHERE NOT EXISTS
         (SELECT 1 FROM rollout_target t JOIN rollout r ON r.id = t.rollout WHERE t.device = late.device AND (t.rollout = $1
            OR (r.slot = $3 AND r.phase = ANY($4) AND t.state IN ('waiting', 'open', 'rolling-back'))))`,
      [id, devices, slot, underWay],
    );
    return new Set(rows.map(({ device }) => device));
  }
}
