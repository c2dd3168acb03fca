import type { DeviceId, Presence, StreamId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { ControlPlaneConfig } from '../config.js';
import { EventsService } from '../events/events.service.js';
import { inMaintenance } from '../fleet/maintenance.js';
import { Leader } from '../platform/leader.js';
import { CONFIG } from '../platform/tokens.js';
import type { Sender } from './batch.js';

type Gone = { id: DeviceId; attended: boolean };
type Suspect = { tenant: string; stream: StreamId; sessions: number[]; since: Date; until: Date };

/** Heartbeats come up to a tenth late by their jitter; half of one more is for the way. */
const missedHeartbeats = 3.5;
const oneHeartbeat = 1.1;

/** Offline is decided here: after three missed heartbeats, or one where the broker has told of a broken connection. */
@Injectable()
export class PresenceWatch {
  readonly #suspects = new Map<DeviceId, Suspect>();
  readonly #heartbeatMs: number;
  #listeningSince: Date | undefined;

  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(Leader) private readonly leader: Pick<Leader, 'isLeader'>,
    @Inject(CONFIG) config: Pick<ControlPlaneConfig, 'device'>,
  ) {
    this.#heartbeatMs = config.device.heartbeatS * 1000;
  }

  /**
   * A will is a hint that shortens the wait. It was written before its session was welcomed, so it names the one before;
   * the will of an older connection, which may overtake a new birth, names neither.
   */
  suspect({ tenant, device }: Sender, { stream, session }: Pick<Presence, 'stream' | 'session'>, since: Date): void {
    const until = new Date(since.getTime() + oneHeartbeat * this.#heartbeatMs);
    this.#suspects.set(device, { tenant, stream, sessions: [session, session + 1], since, until });
  }

  /** Called every now and then. While we are not listening ourselves, silence says nothing. */
  async check(now: Date, listening: boolean): Promise<void> {
    this.#listeningSince = listening ? (this.#listeningSince ?? now) : undefined;
    if (!this.#listeningSince) return;
    for (const [device, suspect] of this.#suspects) if (suspect.until <= now) await this.#close(device, suspect);
    const silentSince = new Date(now.getTime() - missedHeartbeats * this.#heartbeatMs);
    if (this.leader.isLeader() && this.#listeningSince <= silentSince) await this.#closeSilent(silentSince);
  }

  async #close(device: DeviceId, { tenant, stream, sessions, since }: Suspect): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [gone] = await tx.query<[Gone[]]>(
        `UPDATE device SET online = false WHERE id = $1 AND tenant = $2 AND online AND stream = $3 AND session = ANY($4::int[])
         AND last_seen_at <= $5 RETURNING id, ${inMaintenance('device')} attended`,
        [device, tenant, stream, sessions, since],
      );
      await this.#log(tx, gone, 'its connection broke and it has not come back');
    });
    this.#suspects.delete(device);
  }

  async #closeSilent(silentSince: Date): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [gone] = await tx.query<[Gone[]]>(
        `UPDATE device SET online = false WHERE id IN
         (SELECT id FROM device WHERE online AND coalesce(last_seen_at, enrolled_at) < $1 ORDER BY id FOR UPDATE)
         RETURNING id, ${inMaintenance('device')} attended`,
        [silentSince],
      );
      await this.#log(tx, gone, 'three heartbeats are missing');
    });
  }

  /** Of a device that somebody is at, silence is no news. */
  async #log(tx: EntityManager, gone: readonly Gone[], why: string): Promise<void> {
    for (const { id } of gone.filter(({ attended }) => !attended))
      await this.events.append(tx, {
        kind: 'device-offline',
        actor: 'flotilla',
        device: id,
        message: `${id} is offline: ${why}`,
      });
  }
}
