import type {
  AlarmEvent,
  ConfigurationEvent,
  DeviceId,
  EventRecord,
  InferenceWindow,
  ReplyEvent,
  UpdateEvent,
} from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService, type NewEvent } from '../events/events.service.js';
import { DeviceConfigurations } from '../fleet/device-configurations.js';
import { GroupMemberships } from '../fleet/group-memberships.js';
import { SlotReportsService } from '../fleet/slot-reports.service.js';
import { RolloutReports } from '../rollouts/rollout-reports.js';

export type DeviceEvent = { device: DeviceId; seq: number; event: EventRecord };
type Update = { device: DeviceId; event: UpdateEvent };

/** Who else must know what devices report: the slots, the rollouts, the log. */
@Injectable()
export class DeviceReports {
  constructor(
    @Inject(SlotReportsService) private readonly slots: SlotReportsService,
    @Inject(RolloutReports) private readonly rollouts: RolloutReports,
    @Inject(DeviceConfigurations) private readonly configurations: DeviceConfigurations,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
    @Inject(EventsService) private readonly log: EventsService,
  ) {}

  async record(
    tx: EntityManager,
    events: readonly DeviceEvent[],
    windows: readonly { device: DeviceId; window: InferenceWindow }[],
  ): Promise<void> {
    // In the order in which each device told them, whatever order their batches came in.
    const told = events.toSorted((a, b) => (a.device === b.device ? a.seq - b.seq : a.device < b.device ? -1 : 1));
    const updates = told.flatMap(({ device, event }): Update[] => (event.type === 'update' ? [{ device, event }] : []));
    if (updates.length > 0) await this.slots.record(tx, updates);
    if (updates.length > 0 || windows.length > 0) await this.rollouts.record(tx, { updates, windows });
    const news = await this.configurations.record(
      tx,
      told.flatMap(({ device, event }) => (event.type === 'configuration' ? [{ device, event }] : [])),
    );
    const entries = told.flatMap(({ device, event }): NewEvent[] => {
      const entry = event.type === 'configuration' && !news.has(event) ? undefined : entryOf(device, event);
      return entry ? [{ actor: 'device', device, ...entry }] : [];
    });
    await this.log.appendAll(tx, entries);
    const devices = [...new Set(updates.map(({ device }) => device))];
    await this.memberships.devicesChanged(tx, devices, ['release']);
  }
}

type Entry = Omit<NewEvent, 'actor' | 'device'>;

/** Only what people ask about later goes to the log; the steps in between are the slot report's. */
function entryOf(device: DeviceId, event: EventRecord): Entry | undefined {
  switch (event.type) {
    case 'update':
      return updateEntry(device, event);
    case 'alarm':
      return alarmEntry(device, event);
    case 'reply':
      return replyEntry(device, event);
    case 'configuration':
      return configurationEntry(device, event);
  }
}

const outcomes: Partial<Record<UpdateEvent['state'], string>> = {
  committed: 'committed',
  'committed-unproven': 'committed without proof',
  failed: 'failed',
  'rolled-back': 'rolled back',
  rejected: 'was rejected',
};

function updateEntry(device: DeviceId, event: UpdateEvent): Entry | undefined {
  const outcome = outcomes[event.state];
  if (outcome === undefined) return undefined;
  const { slot, deployment, digest, variant, failure, reason } = event;
  const why = [failure, reason].filter((part) => part !== undefined).join(': ');
  return {
    kind: `update-${event.state}`,
    message: `${digest.slice(0, 12)} ${outcome} in slot ${slot} of ${device}${why && ` (${why})`}`,
    data: { slot, deployment, digest, variant, failure, reason },
  };
}

const alarmEntry = (device: DeviceId, { name, message, slot, closes }: AlarmEvent): Entry => ({
  kind: 'alarm',
  message: `${device}: ${message}`,
  data: { name, slot, ...(closes && { closes }) },
});

const replyEntry = (device: DeviceId, { nonce, ok, detail }: ReplyEvent): Entry => ({
  kind: 'command-reply',
  message: `${device} ${ok ? 'did what it was told' : 'could not do what it was told'}`,
  data: { nonce, ok, detail },
});

function configurationEntry(device: DeviceId, { epoch, digest, slots, refused }: ConfigurationEvent): Entry {
  const why = refused.map(({ slot, reason }) => (slot === undefined ? reason : `slot ${slot}: ${reason}`)).join('; ');
  const message =
    refused.length === 0
      ? `${device} goes by its configuration of epoch ${epoch}`
      : `${device} does not do all that its configuration of epoch ${epoch} says: ${why}`;
  const kind = refused.length === 0 ? 'configuration-applied' : 'configuration-refused';
  return { kind, message, data: { epoch, digest, slots, refused } };
}
