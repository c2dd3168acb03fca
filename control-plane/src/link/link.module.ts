import type { DeviceId } from '@flotilla/protocol';
import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { EventsModule } from '../events/events.module.js';
import { AssignmentsService } from '../fleet/assignments.service.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { Counters } from '../platform/counters.js';
import type { Logger } from '../platform/logger.js';
import { OutboxBell } from '../platform/outbox-bell.js';
import { CLOCK, LOGGER, type Clock } from '../platform/tokens.js';
import { RolloutsModule } from '../rollouts/rollouts.module.js';
import { TelemetryModule } from '../telemetry/telemetry.module.js';
import { TrustService } from '../trust/trust.service.js';
import type { Broker } from './broker/broker.js';
import { DeviceInbox } from './device-inbox.js';
import { DeviceReports } from './device-reports.js';
import { DeviceSessions } from './device-sessions.js';
import { Ingest } from './ingest.js';
import { LinkLifecycle } from './link-lifecycle.js';
import { MqttLink } from './mqtt-client.js';
import { OutboxDispatcher } from './outbox-dispatcher.js';
import { OutboxEffects } from './outbox-effects.js';
import { PresenceWatch } from './presence.js';
import { Reconciliation } from './reconciliation.js';
import { RecordStore } from './record-store.js';
import { StreamAlarms } from './stream-alarms.js';
import { Streams } from './streams.js';

export type LinkParts = { link: MqttLink; broker: Pick<Broker, 'dropSession' | 'admit'> };

/** Everything between the broker and the database. Link and broker are made by the composition root; this module starts and stops the link. */
@Module({})
export class LinkModule {
  static forRoot(parts: LinkParts): DynamicModule {
    return {
      module: LinkModule,
      imports: [EventsModule, FleetModule, RolloutsModule, TelemetryModule],
      providers: [
        { provide: MqttLink, useValue: parts.link },
        Streams,
        StreamAlarms,
        Reconciliation,
        DeviceSessions,
        DeviceReports,
        RecordStore,
        PresenceWatch,
        ingest(parts),
        inbox(parts),
        outboxEffects(parts),
        outboxDispatcher,
        lifecycle,
      ],
      exports: [MqttLink],
    };
  }
}

const ingest = ({ link }: LinkParts): FactoryProvider<Ingest> => ({
  provide: Ingest,
  inject: [RecordStore, StreamAlarms, Counters, LOGGER],
  useFactory: (store: RecordStore, alarms: StreamAlarms, counters: Counters, log: Logger) =>
    // An acknowledgement that is lost is given again; a receipt for each would be half of what the broker carries.
    new Ingest({ store, alarms, publish: (topic, payload) => link.publish(topic, payload, 0), counters, log }),
});

const inbox = ({ link, broker }: LinkParts): FactoryProvider<DeviceInbox> => ({
  provide: DeviceInbox,
  inject: [DeviceSessions, Ingest, PresenceWatch, StreamAlarms, Counters, LOGGER, CLOCK],
  useFactory: (
    sessions: DeviceSessions,
    batches: Ingest,
    presence: PresenceWatch,
    alarms: StreamAlarms,
    counters: Counters,
    log: Logger,
    clock: Clock,
  ) =>
    new DeviceInbox({
      sessions,
      ingest: batches,
      presence,
      alarms,
      publish: (topic, payload) => link.publish(topic, payload),
      reconnect: (device) => renewed(broker, device),
      counters,
      log,
      clock,
    }),
});

/** Where the broker keeps rights, dropping a session takes them away too. */
async function renewed(broker: LinkParts['broker'], device: DeviceId): Promise<void> {
  await broker.dropSession(device);
  await broker.admit(device);
}

const outboxEffects = ({ link, broker }: LinkParts): FactoryProvider<OutboxEffects> => ({
  provide: OutboxEffects,
  inject: [DataSource, AssignmentsService, TrustService],
  useFactory: (db: DataSource, assignments: AssignmentsService, trust: TrustService) =>
    new OutboxEffects({
      db,
      assignments,
      trust,
      publish: (topic, payload) => link.publish(topic, payload),
      dropSession: (device) => broker.dropSession(device),
      renewSession: (device) => renewed(broker, device),
    }),
});

const outboxDispatcher: FactoryProvider<OutboxDispatcher> = {
  provide: OutboxDispatcher,
  inject: [DataSource, OutboxEffects, Counters, LOGGER],
  useFactory: (db: DataSource, effects: OutboxEffects, counters: Counters, log: Logger) =>
    new OutboxDispatcher({ db, effects, counters, log }),
};

const lifecycle: FactoryProvider<LinkLifecycle> = {
  provide: LinkLifecycle,
  inject: [MqttLink, DeviceInbox, Ingest, OutboxDispatcher, PresenceWatch, OutboxBell, LOGGER, CLOCK],
  useFactory: (
    link: MqttLink,
    deviceInbox: DeviceInbox,
    batches: Ingest,
    dispatcher: OutboxDispatcher,
    presence: PresenceWatch,
    bell: OutboxBell,
    log: Logger,
    clock: Clock,
  ) => new LinkLifecycle({ link, inbox: deviceInbox, ingest: batches, dispatcher, presence, bell, log, clock }),
};
