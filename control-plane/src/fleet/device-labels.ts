import type { DeviceId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { type Precondition, tagOf } from '../platform/preconditions.js';
import { DevicesRepository } from './devices.repository.js';
import { GroupMemberships } from './group-memberships.js';
import { checkLabels } from './labels.js';

type Labels = Readonly<Record<string, string>>;
export const labelsTag = ({ labels }: { labels: Labels }) => tagOf(labels);
type Labelled = { device: DeviceId; labels: Labels };

type By = { actor: string; precondition: Precondition };

/** Labels are the operator's: groups follow them in the same transaction. */
@Injectable()
export class DeviceLabels {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  async set(device: DeviceId, labels: Labels, { actor, precondition }: By): Promise<void> {
    precondition.mustBeGiven('the labels');
    checkLabels(labels);
    await this.devices.transaction(async (tx) => {
      precondition.check(`device ${device}`, labelsTag(await this.devices.mustLock(tx, device)));
      await this.replace(tx, [{ device, labels }]);
      const message = `labels of ${device} are now ${inWords(labels)}`;
      await this.events.append(tx, { kind: 'device-labelled', actor, device, message, data: { labels } });
    });
  }

  /** Of devices that are there, whose labels have been checked; gives those that had others before. */
  async replace(tx: EntityManager, items: readonly Labelled[]): Promise<DeviceId[]> {
    const before = await this.devices.lockedLabels(
      tx,
      items.map(({ device }) => device),
    );
    const changed = items.flatMap(({ device, labels }) => {
      const keys = changedKeys(before.get(device) ?? {}, labels);
      return keys.length > 0 ? [{ device, labels, keys }] : [];
    });
    const devices = changed.map(({ device }) => device);
    await this.devices.setLabels(tx, changed);
    await this.memberships.devicesChanged(
      tx,
      devices,
      changed.flatMap(({ keys }) => keys.map((key) => `label:${key}`)),
    );
    return devices;
  }
}

const changedKeys = (before: Labels, after: Labels) =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => before[key] !== after[key]);

const inWords = (labels: Labels) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ') || 'none';
