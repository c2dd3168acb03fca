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
import { type AssignmentRow, DeviceRow } from './device.entity.js';
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

  /** Unsigned. */
  async issue(tx: EntityManager, device: DeviceId): Promise<Issued> {
    const [issued] = await this.issueAll(tx, [device]);
    return issued ?? refuse(device, await tx.findOneBy(DeviceRow, { id: device }));
  }

  /**
   * Of those among the devices that are to be told anything; a few queries, however many they are. One epoch never names two contents:
   * where the settings changed since it was issued, it rises.
   */
  async issueAll(tx: EntityManager, devices: readonly DeviceId[]): Promise<Issued[]> {
    const rows = (await this.assignments.lockedRows(tx, devices)).filter(({ status }) => status === 'active');
    const slots = await this.slots(
      tx,
      rows.map(({ id }) => id),
    );
    const configs = await this.configs.all(tx, rows);
    const expires = this.clock.now().getTime() + validForMs;
    const issued = rows.map((row): Issued => {
      const content = { slots: slots.get(row.id) ?? [], config: configs.get(row.id)! };
      const desiredHash = digestOf(content);
      const epoch = row.desiredHash === null || row.desiredHash === desiredHash ? row.epoch : row.epoch + 1;
      const { id: device, keyThumbprint } = row;
      return {
        state: { v: 1, type: 'desired', device, keyThumbprint, epoch, expires, ...content },
        row: { ...row, epoch, desiredHash },
      };
    });
    const before = new Map(rows.map((row) => [row.id, row]));
    const news = issued.filter(({ row: { id, desiredHash } }) => before.get(id)!.desiredHash !== desiredHash);
    await this.assignments.issued(
      tx,
      news.map(({ row }) => row),
    );
    return issued;
  }

  private async slots(tx: EntityManager, devices: readonly DeviceId[]): Promise<ReadonlyMap<DeviceId, DesiredSlot[]>> {
    const rows = await this.assignments.ofDevices(tx, devices);
    const names = await this.releases.namesOf(
      rows.map((row) => row.digest),
      tx,
    );
    const timed = new Map((await this.calendars.ofDevices(tx, devices)).map((row) => [`${row.device}/${row.slot}`, row]));
    const slots = rows.map((row) => [row.device, desiredSlot(row, names, timed.get(`${row.device}/${row.slot}`))] as const);
    return new Map([...Map.groupBy(slots, ([device]) => device)].map(([device, own]) => [device, own.map(([, slot]) => slot)]));
  }
}

export type Issued = { state: DesiredState; row: DeviceRow };

function refuse(device: DeviceId, row: DeviceRow | null): never {
  if (!row) throw new AppError('DEVICE_NOT_FOUND', `no device ${device}`);
  if (row.status === 'pending') throw new AppError('DEVICE_PENDING', `device ${device} is not approved: it is sent nothing`);
  throw new AppError('DEVICE_REVOKED', `device ${device} is revoked: it is sent nothing`);
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
