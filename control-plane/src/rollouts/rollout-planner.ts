import { digestOf, type GroupName, RolloutId, type RolloutPlan, type RolloutPreview } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { satisfies } from 'semver';
import type { EntityManager } from 'typeorm';
import { randomUUID } from 'node:crypto';
import { sizeOf } from '../core/cohort.js';
import { incompatibility } from '../core/compatibility.js';
import { alarmsOf, planProblems } from '../core/stage.js';
import { AssignmentsService } from '../fleet/assignments.service.js';
import { calendarProblems } from '../fleet/openings-of.js';
import type { ReleaseRow } from '../models/release.entity.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { CohortRepository, type StageSize } from './cohort.repository.js';
import type { RolloutRow } from './rollout.entity.js';
import { bytesPerDevice, previewOf, type Layout } from './rollout-preview.js';
import { RolloutWindows } from './rollout-windows.js';
import { RolloutRepository } from './rollout.repository.js';

/** Turns a plan into a draft with its devices placed in stages; a plan that could not progress is refused here. */
@Injectable()
export class RolloutPlanner {
  constructor(
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(CohortRepository) private readonly cohort: CohortRepository,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(RolloutWindows) private readonly windows: RolloutWindows,
  ) {}

  async draft(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<RolloutRow> {
    const { release, sizes, problems } = await this.lay(tx, plan, at);
    if (problems.length > 0) throw new AppError('INVALID_PLAN', problems.join('; '));
    const row: RolloutRow = {
      id: RolloutId.parse(randomUUID()),
      name: plan.name,
      digest: release.digest,
      slot: plan.slot,
      plan,
      salt: digestOf(plan),
      alarms: alarmsOf(plan, classesOf(plan, sizes)),
      bytes: bytesPerDevice(release),
      state: { phase: 'draft' },
      phase: 'draft',
      createdAt: at,
      updatedAt: at,
    };
    await this.rollouts.insert(tx, row);
    await this.cohort.store(tx, row.id);
    await this.rollouts.placed(tx, sumOf(sizes, 'devices'));
    return row;
  }

  /** What would come of the plan now; nothing is written. */
  async preview(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<Omit<RolloutPreview, 'unheard'>> {
    const layout = await this.lay(tx, plan, at);
    const inGroups = (groups: readonly GroupName[]) => this.cohort.inGroups(tx, groups);
    const calendars = await this.windows.preview(tx, plan, at, { devices: sumOf(layout.sizes, 'devices'), inGroups });
    return previewOf(plan, layout, await this.cohort.others(tx, mostNamed), calendars);
  }

  /** Rollouts that still move devices of the plan's target, whatever their priority. */
  async rivalsOf(tx: EntityManager, plan: RolloutPlan): Promise<RolloutId[]> {
    await this.cohort.gather(tx, plan);
    return (await this.rollouts.overlapping(tx, plan.slot, 'plan_member')).map(({ id }) => id);
  }

  /** The same plan always places the same devices in the same stages, so that a preview is worth something. */
  private async lay(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<Layout> {
    const unread = calendarProblems(plan, at.getTime());
    if (unread.length > 0) throw new AppError('INVALID_PLAN', unread.join('; '));
    const release = await this.releases.byName(plan.release);
    await this.cohort.gather(tx, plan);
    if ((await this.cohort.members(tx)) === 0)
      throw new AppError('INVALID_PLAN', `no active device matches ${plan.group ? `group "${plan.group}"` : `"${plan.target}"`}`);
    const blocked = await this.cohort.keepOut(tx, release.digest, plan);
    await this.place(tx, plan);
    await this.judge(tx, plan, release);
    const sizes = await this.cohort.sizes(tx);
    const problems = [
      ...(blocked === undefined ? [] : [`${plan.release} cannot be offered: ${blocked}`]),
      ...planProblems(plan, devicesOf(plan, sizes), bytesPerDevice(release)),
      ...(await this.afterProblems(tx, plan)),
      ...(await this.returnProblems(tx, plan)),
      ...(await this.rivals(tx, plan)),
    ];
    return { release, sizes, problems };
  }

  private async place(tx: EntityManager, plan: RolloutPlan): Promise<void> {
    const total = await this.cohort.order(tx, digestOf(plan));
    let placed = 0;
    for (const [i, stage] of plan.stages.entries()) {
      const selector = 'devices' in stage ? { selector: stage.devices } : {};
      placed += await this.cohort.take(tx, i, { most: sizeOf(stage, total, placed), ...selector });
    }
  }

  /** Thousands of devices share a handful of versions. */
  private async judge(tx: EntityManager, { slot }: RolloutPlan, { manifest }: ReleaseRow): Promise<void> {
    const { agent, from } = manifest.requires;
    if (agent === undefined && from === undefined) return;
    const complaints = (await this.cohort.standings(tx, slot)).flatMap((its) => {
      const reason = incompatibility(manifest, { agent: its.agent, runs: its.runs ?? undefined }, satisfies);
      return reason === undefined ? [] : [{ ...its, reason }];
    });
    await this.cohort.reject(tx, slot, complaints);
  }

  private async rivals(tx: EntityManager, plan: RolloutPlan): Promise<string[]> {
    if (plan.supersede) return [];
    const [rival] = await this.rollouts.overlapping(tx, plan.slot, 'plan_place', plan.priority ?? 0);
    if (!rival) return [];
    return [
      `rollout "${rival.name}" still moves ${rival.device} in slot "${plan.slot}": finish, cancel or roll it back first, give one of them another priority, or say supersede: true`,
    ];
  }

  /** What all would go back to must be another release, and one that may run. */
  private async returnProblems(tx: EntityManager, plan: RolloutPlan): Promise<string[]> {
    const to = plan.rollBack?.to;
    if (to === undefined) return [];
    if (to === plan.release) return [`it could not be taken back to ${to}, which it brings`];
    const { digest } = await this.releases.byName(to);
    const { blocked } = await this.assignments.obstacles(tx, digest, plan.slot, []);
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

const mostNamed = 1000;
const sumOf = (sizes: readonly StageSize[], what: 'devices' | 'rejected') => sizes.reduce((sum, size) => sum + size[what], 0);
const ofStage = (sizes: readonly StageSize[], stage: number) => sizes.find((size) => size.stage === stage);
const devicesOf = (plan: RolloutPlan, sizes: readonly StageSize[]) =>
  plan.stages.map((_, stage) => ofStage(sizes, stage)?.devices ?? 0);
/** Hardware classes of each stage: each is judged for itself, and so may raise a false alarm of its own. */
const classesOf = (plan: RolloutPlan, sizes: readonly StageSize[]) =>
  plan.stages.map((_, stage) => Object.keys(ofStage(sizes, stage)?.classes ?? {}).length);
