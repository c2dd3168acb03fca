import type { DeviceId, Digest, PlanGate, RolloutId, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isRelative, trusted, type Baseline } from '../core/baseline.js';
import { addEvidence } from '../core/evidence.js';
import { joined, left } from '../core/gather.js';
import { TelemetryService } from '../telemetry/telemetry.service.js';
import { EvidenceRepository, type EvidenceOf } from './evidence.repository.js';
import type { RolloutRow } from './rollout.entity.js';
import type { Offer, Waiting } from './target.repository.js';

/** What the gates know of devices that are offered a release: their incumbent until now, and that they have joined. */
@Injectable()
export class OfferEvidence {
  constructor(
    @Inject(TelemetryService) private readonly telemetry: TelemetryService,
    @Inject(EvidenceRepository) private readonly evidence: EvidenceRepository,
  ) {}

  async baselines(
    tx: EntityManager,
    { slot, plan }: RolloutRow,
    gates: readonly PlanGate[],
    devices: readonly Waiting[],
  ): Promise<Map<DeviceId, Baseline>> {
    const withIncumbent = devices.flatMap(({ device, committed }) =>
      committed === null ? [] : [{ device, digest: committed as Digest }],
    );
    const wall = gates.some((gate) => gate.metric.startsWith('wall.') && isRelative(gate));
    const verdicts = gates.some((gate) => gate.metric === 'feedback.rejected' && isRelative(gate));
    const seen = await this.telemetry.baselines(tx, { slot: slot as SlotName, devices: withIncumbent, wall, verdicts });
    return new Map(
      [...seen].flatMap(([device, baseline]) => {
        const known = trusted(baseline, plan.evidence);
        return known ? [[device, known] as const] : [];
      }),
    );
  }

  async join(
    tx: EntityManager,
    { rollout, stage, gates }: { rollout: RolloutId; stage: number; gates: readonly PlanGate[] },
    offers: readonly Offer[],
    known: ReadonlyMap<DeviceId, Waiting>,
  ): Promise<void> {
    await this.evidence.add(tx, joinedBy(rollout, stage, gates, offers, known));
  }
}

function joinedBy(
  rollout: RolloutId,
  stage: number,
  gates: readonly PlanGate[],
  offers: readonly Offer[],
  known: ReadonlyMap<DeviceId, Waiting>,
): EvidenceOf[] {
  const sums = new Map<string, EvidenceOf>();
  for (const { device, baseline } of offers) {
    const { hardwareClass, again, baseline: before } = known.get(device)!;
    const witness = { hardwareClass, kept: undefined };
    const gone = again ? left(gates, { ...witness, baseline: before ?? undefined }) : [];
    for (const { gate, stratum, evidence } of [...gone, ...joined(gates, { ...witness, baseline })]) {
      const sum = sums.get(`${gate} ${stratum}`);
      sums.set(`${gate} ${stratum}`, {
        rollout,
        stage,
        gate,
        stratum,
        evidence: sum ? addEvidence(sum.evidence, evidence) : evidence,
      });
    }
  }
  return [...sums.values()];
}
