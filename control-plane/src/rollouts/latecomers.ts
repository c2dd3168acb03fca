import type { RolloutId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { LatecomersRepository } from './latecomers.repository.js';
import { RolloutMachine } from './rollout-machine.js';
import { RolloutPlaces } from './rollout-places.js';
import { RolloutRepository } from './rollout.repository.js';

/** Between two looks for devices that come late; and they take no more than a twentieth of the time, however large the fleet. */
const everyMs = 5000;
const share = 20;
const named = 10;

/**
 * Devices that come to belong to a rollout's target while it runs enter by its last stage, and so do those that come to a continuous
 * one after it is complete. A complete rollout is opened again for them, and for devices that were offline when their stage ended:
 * whatever comes late goes through the same windows, pace and gates.
 */
@Injectable()
export class Latecomers {
  #nextAt = -Infinity;

  constructor(
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(LatecomersRepository) private readonly late: LatecomersRepository,
    @Inject(RolloutPlaces) private readonly places: RolloutPlaces,
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  /** `guard` refuses a leader that was deposed. */
  async look(guard: (tx: EntityManager) => Promise<void>): Promise<void> {
    const from = performance.now();
    if (from < this.#nextAt) return;
    try {
      await this.lookForAll(guard);
    } finally {
      const now = performance.now();
      this.#nextAt = Math.max(from + everyMs, now + share * (now - from));
    }
  }

  private async lookForAll(guard: (tx: EntityManager) => Promise<void>): Promise<void> {
    const back = await this.rollouts.transaction((tx) => this.late.back(tx));
    for (const id of back) await this.reopen(id, guard, 'devices that were offline are under way again');
    for (const id of await this.rollouts.transaction((tx) => this.late.open(tx))) await this.admit(id, guard);
  }

  private async reopen(id: RolloutId, guard: (tx: EntityManager) => Promise<void>, detail: string): Promise<void> {
    await this.rollouts.locked(id, async (tx, row) => {
      await guard(tx);
      const at = (await this.rollouts.now(tx)).getTime();
      if (row.state.phase === 'completed') await this.machine.apply(tx, row, { type: 'reopen', at, detail }, 'flotilla');
    });
  }

  /** The fleet is looked through without the rollout's lock: reports and looks at it go on. */
  private async admit(id: RolloutId, guard: (tx: EntityManager) => Promise<void>): Promise<void> {
    const seen = await this.late.newcomers(this.rollouts.manager, await this.rollouts.get(id));
    if (seen.length === 0) return;
    await this.rollouts.locked(id, async (tx, row) => {
      await guard(tx);
      const newcomers = await this.late.newcomers(
        tx,
        row,
        seen.map((device) => device.id),
      );
      if (newcomers.length === 0) return;
      const release = await this.releases.byName(row.plan.release);
      const last = row.plan.stages.length - 1;
      const targets = await this.places.of(tx, { release, slot: row.slot }, newcomers, () => last);
      await this.rollouts.addTargets(tx, row, targets);
      const who = newcomers
        .slice(0, named)
        .map((device) => device.id)
        .join(', ');
      const detail = `${newcomers.length === 1 ? 'a device has' : `${newcomers.length} devices have`} come late: ${who}${newcomers.length > named ? ' …' : ''}`;
      await this.events.append(tx, {
        kind: 'rollout-joined',
        actor: 'flotilla',
        rollout: id,
        message: `rollout ${row.name}: ${detail}`,
        data: {},
      });
      if (row.state.phase !== 'completed') return;
      const at = (await this.rollouts.now(tx)).getTime();
      await this.machine.apply(tx, row, { type: 'reopen', at, detail }, 'flotilla');
    });
  }
}
