import type { DeviceId, PlanGate, RolloutPlan, RolloutPreview, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { gatesOf } from '../core/stage.js';
import { TelemetryService } from '../telemetry/telemetry.service.js';
import type { Told } from '../telemetry/telemetry.repository.js';

const hours = 6;
/** Gates on what not every board, and not every line, tells; and what it is that is missing. */
const needs: Partial<Record<PlanGate['metric'], { told: keyof Omit<Told, 'hardwareClass' | 'devices'>; what: string }>> = {
  temperature: { told: 'temperature', what: 'told a temperature (no sensor, or an older agent)' },
  throttling: { told: 'throttling', what: 'told whether it was held back (no sensor, or an older agent)' },
  'feedback.rejected': { told: 'feedback', what: 'been told whether a prediction was right' },
};

/** What a plan's gates will wait for in vain, as far as a look at some of its devices can tell. */
@Injectable()
export class UnheardGates {
  constructor(@Inject(TelemetryService) private readonly telemetry: TelemetryService) {}

  async of(tx: EntityManager, plan: RolloutPlan, { stages }: Pick<RolloutPreview, 'stages'>, at: Date): Promise<string[]> {
    const gates = new Map(plan.stages.flatMap((_, stage) => gatesOf(plan, stage)).map((gate) => [gate.metric, gate]));
    const asked = [...gates.values()].filter(({ metric }) => needs[metric]);
    const devices = stages.flatMap(({ first }) => first);
    if (asked.length === 0 || devices.length === 0) return [];
    const since = new Date(at.getTime() - hours * 3600 * 1000);
    const told = await this.telemetry.told(tx, { slot: plan.slot as SlotName, devices: devices as DeviceId[], since });
    return asked.flatMap((gate) => told.flatMap((its) => (its[needs[gate.metric]!.told] === 0 ? [inWords(gate, its)] : [])));
  }
}

function inWords({ metric, dryRun }: PlanGate, { devices, hardwareClass }: Told): string {
  const end = dryRun ? 'it is a dry run and decides nothing' : 'without it no stage passes, and ends inconclusive';
  const who = devices === 1 ? 'one device' : `${devices} devices`;
  return `${metric}: of ${who} of ${hardwareClass} that were looked at, none has ${needs[metric]!.what} within ${hours} hours; ${end}`;
}
