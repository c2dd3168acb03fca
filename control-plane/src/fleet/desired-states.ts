import { type DesiredSlot, type DesiredState, type DeviceId, type Digest, digestOf, type SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { type Addressed, AssignmentsRepository, type ToldSlot } from './assignments.repository.js';
import type { ActivationRow } from './calendar.entity.js';
import { CalendarsRepository } from './calendars.repository.js';
import { DeviceConfigs } from './device-configs.js';
import { unknownRelease } from './device-view.js';

/** `row` is as it is after issuing. */
type Issued = { state: DesiredState; row: Addressed; desiredHash: Digest };

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
  async issue(tx: EntityManager, device: DeviceId): Promise<Issued> {
    const [issued] = await this.issueLocked(tx, [await this.lock(tx, device)]);
    return issued!;
  }

  /** A few statements, however many devices. Those that are not active are left out: they are told nothing. */
  async issueAll(tx: EntityManager, devices: readonly DeviceId[]): Promise<Issued[]> {
    return this.issueLocked(tx, await this.assignments.activeDevices(tx, devices));
  }

  private async issueLocked(tx: EntityManager, rows: readonly Addressed[]): Promise<Issued[]> {
    if (rows.length === 0) return [];
    const slots = await this.slots(
      tx,
      rows.map(({ id }) => id),
    );
    const configs = await this.configs.of(tx, rows);
    const expires = this.clock.now().getTime() + validForMs;
    const issued = rows.map((row) => issuedAs(row, { slots: slots.get(row.id) ?? [], config: configs.get(row.id)! }, expires));
    const changed = issued.filter(({ row }, i) => row.epoch !== rows[i]!.epoch || rows[i]!.desiredHash === null);
    await this.assignments.issued(
      tx,
      changed.map(({ row: { id, epoch }, desiredHash }) => ({ device: id, epoch, desiredHash })),
    );
    return issued;
  }

  private async lock(tx: EntityManager, device: DeviceId): Promise<Addressed> {
    const row = await this.assignments.device(tx, device);
    if (!row) throw new AppError('DEVICE_NOT_FOUND', `no device ${device}`);
    if (row.status === 'pending') throw new AppError('DEVICE_PENDING', `device ${device} is not approved: it is sent nothing`);
    if (row.status === 'revoked') throw new AppError('DEVICE_REVOKED', `device ${device} is revoked: it is sent nothing`);
    return row;
  }

  private async slots(tx: EntityManager, devices: readonly DeviceId[]): Promise<Map<DeviceId, DesiredSlot[]>> {
    const rows = await this.assignments.ofDevices(tx, devices);
    const names = await this.releases.namesOf([...new Set(rows.map((row) => row.digest))], tx);
    const timed = new Map((await this.calendars.ofDevices(tx, devices)).map((row) => [placeOf(row), row]));
    return new Map(
      [...Map.groupBy(rows, ({ device }) => device)].map(([device, own]) => [
        device,
        own.map((row) => desiredSlot(row, names, timed.get(placeOf(row)))),
      ]),
    );
  }
}

/** One epoch never names two contents. */
function issuedAs(row: Addressed, content: Pick<DesiredState, 'slots' | 'config'>, expires: number): Issued {
  const { id: device, keyThumbprint } = row;
  const desiredHash = digestOf(content);
  const epoch = row.desiredHash === null || row.desiredHash === desiredHash ? row.epoch : row.epoch + 1;
  const state: DesiredState = { v: 1, type: 'desired', device, keyThumbprint, epoch, expires, ...content };
  return { state, desiredHash, row: { ...row, epoch, desiredHash } };
}

const placeOf = ({ device, slot }: { device: string; slot: string }) => `${device}/${slot}`;

const desiredSlot = (
  { slot, deployment, digest, probation, slow }: ToldSlot,
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
