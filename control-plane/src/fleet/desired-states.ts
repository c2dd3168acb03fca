import { type DesiredSlot, type DesiredState, type DeviceId, digestOf, type SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { AssignmentsRepository } from './assignments.repository.js';
import type { ActivationRow } from './calendar.entity.js';
import { CalendarsRepository } from './calendars.repository.js';
import { DeviceConfigs } from './device-configs.js';
import type { AssignmentRow, DeviceRow } from './device.entity.js';
import { unknownRelease } from './device-view.js';

const validForMs = 7 * 86_400_000;

/** What a device should run, made of its assignments under the lock of its row. */
@Injectable()
export class DesiredStates {
  constructor(
    @Inject(AssignmentsRepository) private readonly assignments: AssignmentsRepository,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(DeviceConfigs) private readonly configs: DeviceConfigs,
    @Inject(CalendarsRepository) private readonly calendars: CalendarsRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Unsigned. One epoch never names two contents: where the settings changed since it was issued, it rises. */
  async issue(tx: EntityManager, device: DeviceId): Promise<{ state: DesiredState; row: DeviceRow }> {
    const row = await this.lock(tx, device);
    const content = { slots: await this.slots(tx, device), config: await this.configs.of(tx, row) };
    const desiredHash = digestOf(content);
    const epoch = row.desiredHash === null || row.desiredHash === desiredHash ? row.epoch : row.epoch + 1;
    if (epoch !== row.epoch || row.desiredHash === null) await this.assignments.issued(tx, device, epoch, desiredHash);
    const expires = this.clock.now().getTime() + validForMs;
    const state: DesiredState = { v: 1, type: 'desired', device, keyThumbprint: row.keyThumbprint, epoch, expires, ...content };
    return { state, row: { ...row, epoch, desiredHash } };
  }

  private async lock(tx: EntityManager, device: DeviceId): Promise<DeviceRow> {
    const row = await this.assignments.device(tx, device);
    if (!row) throw new AppError('DEVICE_NOT_FOUND', `no device ${device}`);
    if (row.status === 'pending') throw new AppError('DEVICE_PENDING', `device ${device} is not approved: it is sent nothing`);
    if (row.status === 'revoked') throw new AppError('DEVICE_REVOKED', `device ${device} is revoked: it is sent nothing`);
    return row;
  }

  private async slots(tx: EntityManager, device: DeviceId): Promise<DesiredSlot[]> {
    const rows = await this.assignments.ofDevice(tx, device);
    const names = await this.releases.namesOf(
      rows.map((row) => row.digest),
      tx,
    );
    const timed = new Map((await this.calendars.ofDevice(tx, device)).map((row) => [row.slot, row]));
    return rows.map((row) => desiredSlot(row, names, timed.get(row.slot)));
  }
}

const desiredSlot = (
  { slot, deployment, digest, probation, slow }: AssignmentRow,
  names: ReadonlyMap<string, string>,
  timed: ActivationRow | undefined,
) =>
  ({
    slot: slot as SlotName,
    deployment,
    release: names.get(digest) ?? unknownRelease(digest),
    manifestDigest: digest,
    probation,
    ...(Object.keys(slow).length > 0 ? { slow } : {}),
    ...activateOf(timed),
  }) as DesiredSlot;

function activateOf(timed: ActivationRow | undefined): Pick<DesiredSlot, 'activate'> {
  if (!timed || !(timed.hold || timed.after || timed.before)) return {};
  const { after, before, hold } = timed;
  return {
    activate: {
      ...(after ? { after: after.getTime() } : {}),
      ...(before ? { before: before.getTime() } : {}),
      ...(hold ? { hold } : {}),
    },
  };
}
