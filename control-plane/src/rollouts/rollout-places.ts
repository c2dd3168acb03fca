import type { DeviceId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { satisfies } from 'semver';
import type { EntityManager } from 'typeorm';
import { incompatibility } from '../core/compatibility.js';
import type { Member } from '../fleet/devices.repository.js';
import type { ReleaseRow } from '../models/release.entity.js';
import { ReleasesService } from '../models/releases.service.js';
import type { NewTarget } from './rollout.repository.js';

type Placed = Pick<Member, 'id' | 'agent' | 'hardwareClass'>;
type Wanted = { release: Pick<ReleaseRow, 'manifest'>; slot: string };

/** Devices as they enter a rollout: in which stage, and whether they could run its release at all. */
@Injectable()
export class RolloutPlaces {
  constructor(@Inject(ReleasesService) private readonly releases: ReleasesService) {}

  /** Those of no stage are left out. */
  async of(
    tx: EntityManager,
    { release: { manifest }, slot }: Wanted,
    devices: readonly Placed[],
    stageOf: (device: DeviceId) => number | undefined,
  ): Promise<NewTarget[]> {
    const runs = manifest.requires.from === undefined ? new Map<string, string>() : await this.running(tx, slot, devices);
    return devices.flatMap(({ id, agent, hardwareClass }): NewTarget[] => {
      const stage = stageOf(id);
      if (stage === undefined) return [];
      const reason = incompatibility(manifest, { agent, runs: runs.get(id) }, satisfies) ?? null;
      return [{ device: id, stage, state: reason === null ? 'waiting' : 'rejected', reason, hardwareClass }];
    });
  }

  /** What the slot of each has committed, by its name. */
  private async running(tx: EntityManager, slot: string, devices: readonly Placed[]): Promise<Map<string, string>> {
    const rows = await tx.query<{ device: string; committed: string }[]>(
      `SELECT device, committed FROM slot_report WHERE slot = $1 AND device = ANY($2::text[]) AND committed IS NOT NULL`,
      [slot, devices.map(({ id }) => id)],
    );
    const names = await this.releases.namesOf(
      rows.map(({ committed }) => committed),
      tx,
    );
    return new Map(
      rows.flatMap(({ device, committed }) => {
        const name = names.get(committed);
        return name === undefined ? [] : [[device, name] as const];
      }),
    );
  }
}
