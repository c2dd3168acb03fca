import type { RolloutId, RolloutPlan } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DeviceRow } from '../fleet/device.entity.js';
import { DevicesService } from '../fleet/devices.service.js';
import { EventsService } from '../events/events.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { LatecomersRepository } from './latecomers.repository.js';
import { RolloutMachine } from './rollout-machine.js';
import { RolloutPlaces } from './rollout-places.js';
import type { RolloutRow } from './rollout.entity.js';
import { RolloutRepository } from './rollout.repository.js';

/** Between two looks for devices that come late. */
const everyMs = 5000;
const named = 10;

/**
 * Devices that come to belong to a rollout's target while it runs enter by its last stage, and so do those that come to a continuous
 * one after it is complete. A complete rollout is opened again for them, and for devices that were offline when their stage ended:
 * whatever comes late goes through the same windows, pace and gates.
 */
@Injectable()
export class Latecomers {
  #lookedAt = -Infinity;

  constructor(
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(LatecomersRepository) private readonly late: LatecomersRepository,
    @Inject(RolloutPlaces) private readonly places: RolloutPlaces,
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  /** `guard` refuses a leader that was deposed. */
  async look(guard: (tx: EntityManager) => Promise<void>): Promise<void> {
    const now = performance.now();
    if (now - this.#lookedAt < everyMs) return;
    this.#lookedAt = now;
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

  private async admit(id: RolloutId, guard: (tx: EntityManager) => Promise<void>): Promise<void> {
    await this.rollouts.locked(id, async (tx, row) => {
      await guard(tx);
      const newcomers = await this.newcomers(tx, row);
      if (newcomers.length === 0) return;
      const release = await this.releases.byName(row.plan.release);
      const last = row.plan.stages.length - 1;
      const targets = await this.places.of(tx, { release, slot: row.slot }, newcomers, () => last);
      await this.rollouts.addTargets(tx, id, targets);
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

  private async newcomers(tx: EntityManager, { plan, ...row }: RolloutRow): Promise<DeviceRow[]> {
    const members = await this.devices.match(tx, plan.group === undefined ? { target: plan.target! } : { group: plan.group });
    const unknown = await this.late.unknown(
      tx,
      row,
      members.map((device) => device.id),
    );
    if (unknown.size === 0) return [];
    const chosen = await this.lastStage(tx, plan);
    return members.filter(({ id }) => unknown.has(id) && chosen(id));
  }

  /** Whom the last stage is for. One of so many devices, or of a share, is not for more. */
  private async lastStage(tx: EntityManager, { stages }: RolloutPlan): Promise<(device: string) => boolean> {
    const last = stages.at(-1)!;
    if ('percent' in last) return () => last.percent === 100;
    if (!('devices' in last)) return () => false;
    const selected = new Set<string>((await this.devices.match(tx, { target: last.devices })).map((device) => device.id));
    return (device) => selected.has(device);
  }
}
