import type { Birth, DeviceId, Heartbeat } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AdoptionService } from '../fleet/adoption.service.js';
import type { DeviceRow } from '../fleet/device.entity.js';
import { GroupMemberships } from '../fleet/group-memberships.js';
import { SlotReportsService } from '../fleet/slot-reports.service.js';
import { OutboxRow } from './outbox.entity.js';

type Reported = Pick<Heartbeat, 'epoch' | 'desiredHash'>;
type Standing = 'current' | 'behind' | 'regressed';

/** What a device says it was told, against what it should have been told. */
@Injectable()
export class Reconciliation {
  constructor(
    @Inject(AdoptionService) private readonly adoption: AdoptionService,
    @Inject(SlotReportsService) private readonly slots: SlotReportsService,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
  ) {}

  /** The device's epoch after it: adopting what a device runs raises it. */
  async born(tx: EntityManager, row: DeviceRow, birth: Birth): Promise<number> {
    const runsOther = await this.slots.recordBirth(tx, row.id, birth.slots);
    const standing = standingOf(row, birth);
    if (standing === 'behind') await sendDesired(tx, [row.id]);
    if (standing === 'regressed') await this.adoption.adopt(tx, row.id, birth.slots, birth.epoch);
    // Facts decide on groups, and groups on configuration.
    await this.memberships.devicesChanged(tx, [row.id], [...changedFacts(row, birth), ...(runsOther ? ['release'] : [])]);
    return standing === 'regressed' ? birth.epoch + 1 : row.epoch;
  }

  /** `regressed`: the database is older than the device, which must be born again to say what it runs. */
  async heard(
    tx: EntityManager,
    beats: readonly { row: Pick<DeviceRow, 'id' | 'epoch' | 'desiredHash'>; heartbeat: Reported }[],
  ): Promise<ReadonlyMap<DeviceId, Standing>> {
    const standings = new Map(beats.map(({ row, heartbeat }) => [row.id, standingOf(row, heartbeat)]));
    await sendDesired(
      tx,
      [...standings].flatMap(([device, standing]) => (standing === 'behind' ? [device] : [])),
    );
    return standings;
  }
}

/** A device with a later epoch, or with other content under the same one, has seen what this database has forgotten. */
export function standingOf(row: Pick<DeviceRow, 'epoch' | 'desiredHash'>, reported: Reported): Standing {
  if (reported.epoch > row.epoch) return 'regressed';
  if (reported.epoch < row.epoch) return 'behind';
  // Epoch 0: never told anything, on either side.
  if (reported.epoch === 0 || reported.desiredHash === row.desiredHash) return 'current';
  return reported.desiredHash === undefined ? 'behind' : 'regressed';
}

const changedFacts = (row: DeviceRow, birth: Birth) =>
  (['agent', 'profile', 'hardwareClass'] as const).filter((fact) => row[fact] !== birth[fact]);

async function sendDesired(tx: EntityManager, devices: readonly DeviceId[]): Promise<void> {
  if (devices.length === 0) return;
  // They have just been heard, and what they were told is old: it comes before what is sent to all.
  await tx.insert(
    OutboxRow,
    devices.map((device) => ({ effect: { type: 'send-desired' as const, device }, priority: 0 })),
  );
}
