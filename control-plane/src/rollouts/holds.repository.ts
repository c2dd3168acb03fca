import type { DeviceId, RolloutId, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AssignmentsService } from '../fleet/assignments.service.js';
import type { ActivationRow } from '../fleet/calendar.entity.js';
import { CalendarsRepository, type Timed } from '../fleet/calendars.repository.js';
import type { RolloutRow } from './rollout.entity.js';

export type OpenTarget = { device: DeviceId; deployment: string };
export type WaitingTarget = OpenTarget & Pick<ActivationRow, 'after' | 'before' | 'hold'>;
type Of = Pick<RolloutRow, 'id' | 'slot'>;

/** When devices that were offered a release may begin to run it. */
@Injectable()
export class HoldsRepository {
  constructor(
    @Inject(CalendarsRepository) private readonly calendars: CalendarsRepository,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
  ) {}

  time(tx: EntityManager, slot: SlotName, items: readonly Timed[]): Promise<void> {
    return this.calendars.time(tx, slot, items);
  }

  /** The devices have heard of another time: they are told. */
  async retime(tx: EntityManager, slot: SlotName, items: readonly Timed[]): Promise<void> {
    if (items.length === 0) return;
    await this.calendars.time(tx, slot, items);
    await this.assignments.changed(
      tx,
      items.map(({ device }) => device),
    );
  }

  open(tx: EntityManager, { id, slot }: Of): Promise<OpenTarget[]> {
    return tx.query(
      `SELECT t.device, t.deployment FROM rollout_target t
       JOIN assignment a ON a.device = t.device AND a.slot = $2 AND a.deployment = t.deployment
       WHERE t.rollout = $1 AND t.state = 'open' ORDER BY t.device`,
      [id, slot],
    );
  }

  /**
   * Devices that may not begin it now, with what they were told: they wait, or their window went by before they began. Where nobody
   * has a time, the database reads no further.
   */
  waiting(tx: EntityManager, { id, slot }: Of, at: Date): Promise<WaitingTarget[]> {
    return tx.query(
      `SELECT t.device, t.deployment, x.after, x.before, x.hold FROM rollout_target t
       JOIN activation x ON x.device = t.device AND x.slot = $2 AND x.deployment = t.deployment
         AND (x.hold OR x.after > $3 OR x.before <= $3)
       JOIN assignment a ON a.device = t.device AND a.slot = $2 AND a.deployment = t.deployment
       LEFT JOIN slot_report s ON s.device = t.device AND s.slot = $2 AND s.deployment = t.deployment
       WHERE t.rollout = $1 AND t.state = 'open' AND s.state IS DISTINCT FROM 'probation'
         AND EXISTS (SELECT 1 FROM activation WHERE slot = $2) ORDER BY t.device`,
      [id, slot, at],
    );
  }

  /** A device that was held has had no time: its deadline runs from now. */
  async startAnew(tx: EntityManager, rollout: RolloutId, at: Date): Promise<void> {
    await tx.query(`UPDATE rollout_target SET offered_at = $2 WHERE rollout = $1 AND state = 'open'`, [rollout, at]);
  }
}
