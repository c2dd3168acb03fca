import type { DeviceId } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RolloutRow } from './rollout.entity.js';
import { underWay } from './rollout.repository.js';

type Claimant = Pick<RolloutRow, 'id' | 'name' | 'slot' | 'plan'>;

/** Two rollouts that want the same slot of a device: the one of higher priority has it from its next offer on. */
@Injectable()
export class PreemptionRepository {
  /** Devices that a rollout of higher priority has already: for this one they are superseded. */
  async giveWay(tx: EntityManager, { id, slot, plan }: Claimant, devices: readonly DeviceId[]): Promise<Set<DeviceId>> {
    const [rows] = await tx.query<[{ device: DeviceId }[], number]>(
      `UPDATE rollout_target t SET state = 'superseded', reason = 'rollout "' || r.name || '" of higher priority has it'
       FROM rollout_target other JOIN rollout r ON r.id = other.rollout
       WHERE t.rollout = $1 AND t.device = ANY($2::text[]) AND other.device = t.device AND r.id <> $1 AND r.slot = $3
         AND r.phase = ANY($5) AND ${priorityOf('r')} > $4 AND other.state IN ('already', 'open', 'committed', 'unproven', 'rolling-back')
       RETURNING t.device`,
      [id, devices, slot, plan.priority ?? 0, underWay],
    );
    return new Set(rows.map((row) => row.device));
  }

  /** What rollouts of lower priority still meant to do with these devices, they do not. */
  async takeOver(tx: EntityManager, { id, name, slot, plan }: Claimant, devices: readonly DeviceId[]): Promise<void> {
    if (devices.length === 0) return;
    await tx.query(
      `UPDATE rollout_target t SET state = 'superseded', reason = 'rollout "' || $6 || '" of higher priority took it'
       FROM rollout r WHERE r.id = t.rollout AND t.device = ANY($2::text[]) AND r.id <> $1 AND r.slot = $3 AND r.phase = ANY($5)
         AND ${priorityOf('r')} < $4 AND t.state IN ('waiting', 'open', 'timed-out', 'deferred')`,
      [id, devices, slot, plan.priority ?? 0, underWay, name],
    );
  }
}

const priorityOf = (table: string) => `coalesce((${table}.plan ->> 'priority')::int, 0)`;
