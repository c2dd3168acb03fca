import { type DeviceId, digestOf, jsonBytes, maxGatewayBytes } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Conflict, type Effective, nameOf, slotsOf } from '../core/configuration.js';
import { AppError } from '../platform/errors.js';
import { AssignmentsRepository } from './assignments.repository.js';
import type { Owner } from './configurations.repository.js';
import { DeviceConfigs } from './device-configs.js';
import type { DeviceRow } from './device.entity.js';
import { DevicesService } from './devices.service.js';

/** The devices that a configuration reaches, and what was in force on them before it changed. */
export type Reach = { owner: Owner; devices: readonly DeviceRow[]; before: ReadonlyMap<DeviceId, Effective> };

/** Brings a changed configuration to its devices. */
@Injectable()
export class ConfigurationSpread {
  constructor(
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(DeviceConfigs) private readonly configs: DeviceConfigs,
    @Inject(AssignmentsRepository) private readonly assignments: AssignmentsRepository,
  ) {}

  /** `gone`: the owner may be there no more; then it reaches nobody. */
  async reach(tx: EntityManager, owner: Owner): Promise<Reach> {
    const devices = await this.targets(tx, owner);
    return { owner, devices, before: await this.configs.effective(tx, devices) };
  }

  /** In the transaction that changed it: the epochs rise of all for whom it makes a difference. How many they are. */
  async raise(tx: EntityManager, { owner, devices, before }: Reach): Promise<number> {
    const after = await this.configs.effective(tx, devices);
    refuseConflicts(owner, before, after);
    refuseExcess(after);
    const changed = devices.flatMap(({ id }) => (digest(before.get(id)) === digest(after.get(id)) ? [] : id));
    await this.assignments.lock(tx, changed);
    await this.assignments.raiseEpochs(tx, changed);
    return changed.length;
  }

  /** After it is committed: a device that came within reach meanwhile was told before the change could be seen. */
  async latecomers(tx: EntityManager, { owner, devices }: Reach): Promise<void> {
    const known = new Set(devices.map(({ id }) => id));
    const late = (await this.targets(tx, owner)).flatMap(({ id }) => (known.has(id) ? [] : id));
    if (late.length > 0) await this.assignments.send(tx, late);
  }

  /** Slots that no device has which it reaches: likely a slip of the pen. */
  async notes(reach: Reach, slots: readonly string[]): Promise<string[]> {
    const whom = nameOf(reach.owner);
    if (reach.devices.length === 0) return [`${whom} has no active device yet: whoever joins gets it`];
    const known = await this.devices.reportedSlots(reach.devices.map(({ id }) => id));
    if (known.size === 0) return [];
    const missing = slots.filter((slot) => !known.has(slot));
    const list = [...known].toSorted().join(', ');
    return missing.map((slot) => `no device of ${whom} has reported a slot "${slot}"; their slots are: ${list}`);
  }

  private async targets(tx: EntityManager, { scope, name }: Owner): Promise<DeviceRow[]> {
    return scope === 'group' ? this.devices.match(tx, { group: name }) : this.devices.active(tx, [name as DeviceId]);
  }
}

const digest = (effective: Effective | undefined) => effective && digestOf(slotsOf(effective));

const keyOf = ({ slot, section, winner, loser }: Conflict) => [slot, section, nameOf(winner), nameOf(loser)].join(' ');

/** One that is there already is not made by this change, and is shown where the device is. */
function refuseConflicts(owner: Owner, before: Reach['before'], after: Reach['before']): void {
  const made = [...after].flatMap(([device, { conflicts }]) => {
    const old = new Set(before.get(device)?.conflicts.map(keyOf));
    const its = conflicts.filter((c) => !old.has(keyOf(c)) && [c.winner, c.loser].some((of) => nameOf(of) === nameOf(owner)));
    return its.map((conflict) => ({ device, conflict }));
  });
  const [first] = made;
  if (!first) return;
  const { slot, section, winner, loser } = first.conflict;
  const devices = new Set(made.map(({ device }) => device)).size;
  const where = devices === 1 ? first.device : `${first.device} and ${devices - 1} more`;
  throw new AppError(
    'CONFIGURATION_CONFLICT',
    `${nameOf(winner)} and ${nameOf(loser)} would both say slots.${slot}.${section} on ${where} with priority ${winner.priority}: give one of them a higher "priority"; nothing was changed`,
  );
}

function refuseExcess(after: Reach['before']): void {
  for (const [device, effective] of after) {
    const bytes = jsonBytes(slotsOf(effective));
    if (bytes > maxGatewayBytes)
      throw new AppError(
        'INVALID_REQUEST',
        `all that would reach ${device} is ${bytes} bytes, and at most ${maxGatewayBytes} are sent; nothing was changed`,
      );
  }
}
