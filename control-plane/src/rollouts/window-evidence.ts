import { RolloutPlan, type DeviceId, type InferenceWindow } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Baseline } from '../core/baseline.js';
import { addEvidence } from '../core/evidence.js';
import { gathered } from '../core/gather.js';
import { sampleOf, type Sample } from '../core/sample.js';
import { gatesOf } from '../core/stage.js';
import { EvidenceRepository, type EvidenceOf } from './evidence.repository.js';

type DeviceWindow = { device: DeviceId; window: InferenceWindow };
type Target = {
  rollout: string;
  device: string;
  deployment: string;
  stage: number;
  hardwareClass: string;
  baseline: Baseline | null;
  kept: Sample | null;
};

/** Windows of devices that a rollout has moved, as evidence for its gates; in the transaction that stores the windows. */
@Injectable()
export class WindowEvidence {
  /** A plan never changes once its rollout is made. */
  readonly #plans = new Map<string, RolloutPlan>();

  constructor(@Inject(EvidenceRepository) private readonly evidence: EvidenceRepository) {}

  async gather(tx: EntityManager, windows: readonly DeviceWindow[]): Promise<void> {
    const targets = await this.targets(tx, windows);
    if (targets.length === 0) return;
    const plans = await this.plansOf(tx, [...new Set(targets.map((t) => t.rollout))]);
    const byDeployment = Map.groupBy(windows, (w) => w.window.deployment);
    const sums = new Map<string, EvidenceOf>();
    const kept = targets.map((target) => {
      const own = (byDeployment.get(target.deployment as InferenceWindow['deployment']) ?? []).filter(
        (w) => w.device === target.device,
      );
      return { target, kept: this.hear(target, own, plans.get(target.rollout)!, sums) };
    });
    await this.keep(
      tx,
      kept.filter(({ target, kept: next }) => next !== undefined || target.kept !== null),
    );
    await this.evidence.add(tx, [...sums.values()]);
  }

  /** A device that was told to return adds nothing more, nor does one to a rollout that is over. */
  private targets(tx: EntityManager, windows: readonly DeviceWindow[]): Promise<Target[]> {
    return tx.query<Target[]>(
      `SELECT t.rollout, t.device, t.deployment, t.stage, t.hardware_class "hardwareClass", t.baseline, t.kept
       FROM rollout_target t JOIN rollout r ON r.id = t.rollout
       WHERE t.deployment = ANY($1::uuid[]) AND t.state NOT IN ('rolling-back', 'return-failed', 'rolled-back')
         AND r.phase IN ('running', 'paused', 'awaiting-approval') ORDER BY t.rollout, t.device FOR UPDATE OF t`,
      [[...new Set(windows.map((w) => w.window.deployment))]],
    );
  }

  private hear(
    target: Target,
    windows: readonly DeviceWindow[],
    plan: RolloutPlan,
    sums: Map<string, EvidenceOf>,
  ): Sample | undefined {
    const { rollout, stage, hardwareClass, baseline, kept: before } = target;
    const witness = { hardwareClass, baseline: baseline ?? undefined, kept: before ?? undefined };
    const inOrder = windows.map((w) => w.window).toSorted((a, b) => a.start - b.start);
    const { added, kept } = gathered(gatesOf(plan, stage), witness, inOrder.map(sampleOf));
    for (const { gate, stratum, evidence } of added) {
      const key = `${rollout}/${stage}/${gate}/${stratum}`;
      const sum = sums.get(key);
      sums.set(key, { rollout, stage, gate, stratum, evidence: sum ? addEvidence(sum.evidence, evidence) : evidence });
    }
    return kept;
  }

  private async keep(tx: EntityManager, items: readonly { target: Target; kept: Sample | undefined }[]): Promise<void> {
    if (items.length === 0) return;
    await tx.query(
      `UPDATE rollout_target t SET kept = k.kept::jsonb FROM unnest($1::uuid[], $2::text[], $3::text[]) k(rollout, device, kept)
       WHERE t.rollout = k.rollout AND t.device = k.device`,
      [
        items.map(({ target }) => target.rollout),
        items.map(({ target }) => target.device),
        items.map(({ kept }) => (kept === undefined ? null : JSON.stringify(kept))),
      ],
    );
  }

  private async plansOf(tx: EntityManager, rollouts: readonly string[]): Promise<ReadonlyMap<string, RolloutPlan>> {
    if (this.#plans.size > mostPlans) this.#plans.clear();
    const missing = rollouts.filter((id) => !this.#plans.has(id));
    if (missing.length > 0) {
      const rows = await tx.query<{ id: string; plan: unknown }[]>(`SELECT id, plan FROM rollout WHERE id = ANY($1::uuid[])`, [
        missing,
      ]);
      for (const { id, plan } of rows) this.#plans.set(id, RolloutPlan.parse(plan));
    }
    return new Map(rollouts.map((id) => [id, this.#plans.get(id)!]));
  }
}

const mostPlans = 1000;
