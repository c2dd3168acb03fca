import { type DeviceId, digestOf, RolloutId, type RolloutPlan, type RolloutPreview } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { randomUUID } from 'node:crypto';
import { assignStages } from '../core/cohort.js';
import { alarmsOf, planProblems } from '../core/stage.js';
import { AssignmentsService } from '../fleet/assignments.service.js';
import type { Member } from '../fleet/devices.repository.js';
import { DevicesService } from '../fleet/devices.service.js';
import { calendarProblems } from '../fleet/openings-of.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import type { RolloutRow } from './rollout.entity.js';
import { bytesPerDevice, previewOf, type Layout } from './rollout-preview.js';
import { RolloutPlaces } from './rollout-places.js';
import { RolloutWindows } from './rollout-windows.js';
import { RolloutRepository, type NewTarget } from './rollout.repository.js';

/** Turns a plan into a draft with its devices placed in stages; a plan that could not progress is refused here. */
@Injectable()
export class RolloutPlanner {
  constructor(
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(RolloutWindows) private readonly windows: RolloutWindows,
    @Inject(RolloutPlaces) private readonly places: RolloutPlaces,
  ) {}

  async draft(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<RolloutRow> {
    const { release, targets, problems } = await this.lay(tx, plan, at);
    if (problems.length > 0) throw new AppError('INVALID_PLAN', problems.join('; '));
    const row: RolloutRow = {
      id: RolloutId.parse(randomUUID()),
      name: plan.name,
      digest: release.digest,
      slot: plan.slot,
      plan,
      salt: digestOf(plan),
      alarms: alarmsOf(plan, classesOf(plan, targets)),
      bytes: bytesPerDevice(release),
      state: { phase: 'draft' },
      phase: 'draft',
      createdAt: at,
      updatedAt: at,
    };
    await this.rollouts.insert(tx, row, targets);
    return row;
  }

  /** What would come of the plan now; nothing is written. */
  async preview(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<Omit<RolloutPreview, 'unheard'>> {
    const layout = await this.lay(tx, plan, at);
    const devices = layout.targets.map((t) => t.device);
    return previewOf(plan, layout, await this.windows.preview(tx, plan, at, devices));
  }

  /** The same plan always places the same devices in the same stages, so that a preview is worth something. */
  private async lay(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<Layout> {
    const unread = calendarProblems(plan, at.getTime());
    if (unread.length > 0) throw new AppError('INVALID_PLAN', unread.join('; '));
    const release = await this.releases.byName(plan.release);
    const members = await this.members(tx, plan);
    if (members.length === 0)
      throw new AppError('INVALID_PLAN', `no active device matches ${plan.group ? `group "${plan.group}"` : `"${plan.target}"`}`);
    const { blocked, keptOut } = await this.assignments.obstacles(
      tx,
      release.digest,
      plan.slot,
      members.map((m) => m.id),
    );
    const free = members.filter((device) => !keptOut.has(device.id));
    const stageOf = await this.place(tx, plan, free, digestOf(plan));
    const targets = await this.places.of(tx, { release, slot: plan.slot }, free, (device) => stageOf.get(device));
    const sizes = plan.stages.map((_, stage) => targets.filter((t) => t.stage === stage).length);
    const problems = [
      ...(blocked === undefined ? [] : [`${plan.release} cannot be offered: ${blocked}`]),
      ...planProblems(plan, sizes, bytesPerDevice(release)),
      ...(await this.afterProblems(tx, plan)),
      ...(await this.returnProblems(tx, plan, targets)),
      ...(await this.rivals(tx, plan, targets)),
    ];
    return { release, members, targets, keptOut, problems };
  }

  members(tx: EntityManager, { group, target }: RolloutPlan): Promise<Member[]> {
    return this.devices.members(tx, group === undefined ? { target: target! } : { group });
  }

  private async place(
    tx: EntityManager,
    plan: RolloutPlan,
    members: readonly Member[],
    salt: string,
  ): Promise<Map<DeviceId, number>> {
    const selectors = plan.stages.flatMap((stage) => ('devices' in stage ? [stage.devices] : []));
    const chosen = new Map<string, Set<DeviceId>>();
    for (const selector of selectors) {
      chosen.set(selector, new Set((await this.devices.members(tx, { target: selector })).map((device) => device.id)));
    }
    const cohort = members.map(({ id, profile, site }) => ({ device: id, profile, site: site ?? undefined }));
    return assignStages(cohort, plan.stages, salt, (selector, device) => chosen.get(selector)!.has(device));
  }

  private async rivals(tx: EntityManager, plan: RolloutPlan, targets: readonly NewTarget[]): Promise<string[]> {
    if (plan.supersede) return [];
    const devices = targets.map((t) => t.device);
    const [rival] = await this.rollouts.overlapping(tx, plan.slot, devices, plan.priority ?? 0);
    if (!rival) return [];
    return [
      `rollout "${rival.name}" still moves ${rival.device} in slot "${plan.slot}": finish, cancel or roll it back first, give one of them another priority, or say supersede: true`,
    ];
  }

  /** What all would go back to must be another release, and one that may run. */
  private async returnProblems(tx: EntityManager, plan: RolloutPlan, targets: readonly NewTarget[]): Promise<string[]> {
    const to = plan.rollBack?.to;
    if (to === undefined) return [];
    if (to === plan.release) return [`it could not be taken back to ${to}, which it brings`];
    const { digest } = await this.releases.byName(to);
    const devices = targets.map((t) => t.device);
    const { blocked } = await this.assignments.obstacles(tx, digest, plan.slot, devices);
    return blocked === undefined ? [] : [`it could not be taken back to ${to}: ${blocked}`];
  }

  /** What it comes after must be there, and must not itself wait for this one. */
  private async afterProblems(tx: EntityManager, { name, after = [] }: RolloutPlan): Promise<string[]> {
    const asked = [...after];
    for (const next of asked) {
      if (next === name) return [`it would wait for itself: what it comes after waits for "${name}"`];
      const row = await this.rollouts.newest(tx, next);
      if (!row) return [`it comes after a rollout "${next}", which is not there`];
      const its = row.phase === 'completed' ? [] : (row.plan.after ?? []);
      asked.push(...its.filter((one) => !asked.includes(one)));
    }
    return [];
  }
}

/** Hardware classes of each stage: each is judged for itself, and so may raise a false alarm of its own. */
const classesOf = (plan: RolloutPlan, targets: readonly NewTarget[]) =>
  plan.stages.map((_, stage) => new Set(targets.filter((t) => t.stage === stage).map((t) => t.hardwareClass)).size);
