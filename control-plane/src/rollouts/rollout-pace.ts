import type { DeviceId, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { noCounts } from '../core/counts.js';
import type { Observation, RolloutEffect } from '../core/rollout.js';
import type { Timed, Timing } from '../fleet/calendars.repository.js';
import { HoldsRepository, type WaitingTarget } from './holds.repository.js';
import { PaceRepository, type PaceObservation } from './pace.repository.js';
import { PreemptionRepository } from './preemption.repository.js';
import { RolloutWindows } from './rollout-windows.js';
import type { RolloutRow } from './rollout.entity.js';
import type { Choice, Offer, Waiting } from './target.repository.js';

type Offering = Extract<RolloutEffect, { type: 'offer-stage' }>;

/** Windows, budgets and other rollouts: what they let a rollout do now, as the core is told it and as its offers are made. */
@Injectable()
export class RolloutPace {
  constructor(
    @Inject(RolloutWindows) private readonly windows: RolloutWindows,
    @Inject(PaceRepository) private readonly pace: PaceRepository,
    @Inject(PreemptionRepository) private readonly preemption: PreemptionRepository,
    @Inject(HoldsRepository) private readonly holds: HoldsRepository,
  ) {}

  /** Only of a rollout that could make use of it. */
  async observe(tx: EntityManager, row: RolloutRow, stages: Observation['stages'], at: Date): Promise<PaceObservation> {
    const { state, plan } = row;
    if (state.phase === 'scheduled') return plan.after ? { after: await this.pace.after(tx, plan.after) } : {};
    if (state.phase !== 'running') return {};
    const { stage } = state;
    const counts = stages[stage]?.counts ?? noCounts;
    return this.pace.observe(tx, row, { stage, counts }, await this.windows.closed(tx, plan, at), at);
  }

  /** Undefined: nothing may be offered now. The core has counted, the offer itself looks again. */
  async choice(tx: EntityManager, { plan }: RolloutRow, { most, each }: Offering, at: Date): Promise<Choice | undefined> {
    const { all, groups } = await this.windows.closed(tx, plan, at);
    return all ? undefined : { most, each, notIn: groups };
  }

  /** Those that no rollout of higher priority has. */
  async claim(tx: EntityManager, row: RolloutRow, waiting: readonly Waiting[]): Promise<readonly Waiting[]> {
    if (waiting.length === 0) return waiting;
    const devices = waiting.map(({ device }) => device);
    const lost = await this.preemption.giveWay(tx, row, devices);
    return waiting.filter(({ device }) => !lost.has(device));
  }

  /** Devices that run the release already are this rollout's, too. */
  takeOver(tx: EntityManager, row: RolloutRow, devices: readonly DeviceId[]): Promise<void> {
    return this.preemption.takeOver(tx, row, devices);
  }

  /** In the transaction that assigned it, so that no device ever hears of it without its time; from rollouts of lower priority it is taken. */
  async offered(tx: EntityManager, row: RolloutRow, offers: readonly Offer[], at: Date): Promise<void> {
    await this.pace.offered(tx, row, offers.length, at);
    const timings = await this.timings(tx, row, at, offers);
    await this.holds.time(
      tx,
      row.slot as SlotName,
      timings.filter(({ timing }) => Object.keys(timing).length > 0),
    );
    await this.takeOver(
      tx,
      row,
      offers.map(({ device }) => device),
    );
  }

  /** Devices that were offered it and do not run it yet: kept from it, or let go by their windows. */
  async retime(tx: EntityManager, row: RolloutRow, what: 'hold' | 'let-go', at: Date): Promise<void> {
    const open = await this.holds.open(tx, row);
    const held = (timing: Timing) => open.map((target) => ({ ...target, timing }));
    const timed = what === 'hold' ? held({ hold: true }) : await this.timings(tx, row, at, open);
    await this.holds.retime(tx, row.slot as SlotName, timed);
    if (what === 'let-go') await this.holds.startAnew(tx, row.id, at);
  }

  /** Devices whose window went by before they began, and those whose group has another calendar now: their next window. */
  async renew(tx: EntityManager, row: RolloutRow, at: Date): Promise<void> {
    if (row.state.phase !== 'running') return;
    const waiting = new Map((await this.holds.waiting(tx, row, at)).map((target) => [target.device, target]));
    if (waiting.size === 0) return;
    const timings = await this.timings(tx, row, at, [...waiting.values()]);
    const other = timings.filter(({ device, timing }) => differs(timing, waiting.get(device)!));
    await this.holds.retime(tx, row.slot as SlotName, other);
  }

  private async timings(
    tx: EntityManager,
    { plan }: RolloutRow,
    at: Date,
    targets: readonly { device: DeviceId; deployment: string }[],
  ): Promise<Timed[]> {
    const timings = await this.windows.timings(
      tx,
      plan,
      at,
      targets.map(({ device }) => device),
    );
    return targets.map(({ device, deployment }) => ({ device, deployment, timing: timings.get(device) ?? {} }));
  }
}

const differs = ({ after, before, hold = false }: Timing, told: WaitingTarget): boolean =>
  hold !== told.hold || after !== told.after?.getTime() || before !== told.before?.getTime();
