import type { Birth, Heartbeat, Presence, Welcome } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { advance } from '../core/stream-cursor.js';
import { EventsService } from '../events/events.service.js';
import { DeviceRow } from '../fleet/device.entity.js';
import { isAttended } from '../fleet/maintenance.js';
import type { Sender } from './batch.js';
import { Gathered } from './gathered.js';
import { Reconciliation } from './reconciliation.js';
import { Streams } from './streams.js';

export type Welcomed = { welcome: Welcome; foreign: boolean };
/** `regressed`: the device must be born again. `unknown`: no such active device. */
export type Heard = 'ok' | 'regressed' | 'unknown';

type Beat = Readonly<{ sender: Sender; heartbeat: Heartbeat; now: Date }>;
type HeardBeat = Beat & Readonly<{ row: Told }>;
type Told = Pick<DeviceRow, 'id' | 'epoch' | 'desiredHash'> & { wasOnline: boolean };
const mostBeats = 500;
/** A fleet that has been told something beats by the thousand: ten sets a second cost less than forty. */
const beatsRestMs = 100;

/** Who is there: births, heartbeats and goodbyes, each under the lock of the device's row. */
@Injectable()
export class DeviceSessions {
  /** The inbox lets no device have two under way, so none is in a set twice. */
  readonly #beats = new Gathered<Beat, Heard>((beats) => this.hearAll(beats), mostBeats, beatsRestMs);

  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(Streams) private readonly streams: Streams,
    @Inject(Reconciliation) private readonly reconciliation: Reconciliation,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  /** Null: no such active device. */
  born(sender: Sender, birth: Birth, now: Date): Promise<Welcomed | null> {
    return this.withDevice(sender, async (tx, row) => {
      const session = sessionFor(row, birth);
      const { agent, profile, hardwareClass, notes, stream, boot } = birth;
      const reported = { reportedEpoch: birth.epoch, reportedHash: birth.desiredHash ?? null };
      const seen = { online: true, lastSeenAt: now };
      await tx.update(
        DeviceRow,
        { id: row.id },
        { session, agent, profile, hardwareClass, notes, stream, boot, ...reported, ...seen },
      );
      if (!row.online) await this.log(tx, row, 'device-online', `${row.id} came online`);
      const next = await this.claimStream(tx, sender, birth);
      const epoch = await this.reconciliation.born(tx, row, birth);
      const welcome: Welcome = { v: 1, stream, session, epoch, serverTime: now.getTime(), next: next ?? startAnew };
      return { welcome, foreign: next === undefined };
    });
  }

  heard(sender: Sender, heartbeat: Heartbeat, now: Date): Promise<Heard> {
    return this.#beats.add({ sender, heartbeat, now });
  }

  /** A few statements, however many devices: a fleet of ten thousand beats 170 times a second. */
  private async hearAll(beats: readonly Beat[]): Promise<Heard[]> {
    const heard = await this.standingOfAll(beats);
    const known = beats.filter((_, i) => heard[i] !== 'unknown');
    await this.streams.resolveBelow(
      this.db,
      known.map(({ sender, heartbeat: { stream, base } }) => ({ ...sender, stream, base })),
    );
    return heard;
  }

  private standingOfAll(beats: readonly Beat[]): Promise<Heard[]> {
    return this.db.transaction(async (tx) => {
      const known = new Map((await this.saw(tx, beats)).map((row) => [row.id, row]));
      const heard = beats.map((beat) => ({ ...beat, row: known.get(beat.sender.device) }));
      const ours = heard.filter((beat): beat is HeardBeat => beat.row !== undefined);
      const back = ours.filter(({ row }) => !row.wasOnline).map(({ row }) => row.id);
      await this.events.appendAll(
        tx,
        back.map((device) => ({ kind: 'device-online', actor: 'flotilla', device, message: `${device} is heard again` })),
      );
      const standings = await this.reconciliation.heard(tx, ours);
      return heard.map(({ row }) => (row === undefined ? 'unknown' : standings.get(row.id) === 'regressed' ? 'regressed' : 'ok'));
    });
  }

  /** Devices as they were before; their rows are locked in the order of their names. */
  private async saw(tx: EntityManager, beats: readonly Beat[]): Promise<Told[]> {
    const [rows] = await tx.query<[Told[], number]>(
      `UPDATE device d SET online = true, last_seen_at = was.at, reported_epoch = was.reported, reported_hash = was.hash
       FROM (SELECT o.id, o.online, b.at, b.epoch reported, b.hash
             FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[], $5::text[]) b(id, tenant, at, epoch, hash)
             JOIN device o ON o.id = b.id AND o.tenant = b.tenant AND o.status = 'active' ORDER BY o.id FOR UPDATE OF o) was
       WHERE d.id = was.id RETURNING d.id, d.epoch, d.desired_hash "desiredHash", was.online "wasOnline"`,
      [
        beats.map(({ sender }) => sender.device),
        beats.map(({ sender }) => sender.tenant),
        beats.map(({ now }) => now),
        beats.map(({ heartbeat }) => heartbeat.epoch),
        beats.map(({ heartbeat }) => heartbeat.desiredHash ?? null),
      ],
    );
    return rows;
  }

  /** A goodbye of the latest session; a late one, of a session that is over, changes nothing. */
  async left(sender: Sender, presence: Presence, now: Date): Promise<boolean> {
    const left = await this.withDevice(sender, async (tx, row) => {
      if (!row.online || presence.stream !== row.stream || presence.session !== row.session) return false;
      await tx.update(DeviceRow, { id: row.id }, { online: false });
      if (!isAttended(row, now)) await this.log(tx, row, 'device-offline', `${row.id} said goodbye`);
      return true;
    });
    return left ?? false;
  }

  private withDevice<T>({ tenant, device }: Sender, work: (tx: EntityManager, row: DeviceRow) => Promise<T>): Promise<T | null> {
    return this.db.transaction(async (tx) => {
      const where = { id: device, tenant, status: 'active' as const };
      const row = await tx.findOne(DeviceRow, { where, lock: { mode: 'pessimistic_write' } });
      return row && work(tx, row);
    });
  }

  /** Where the stream stands; undefined when it is not this device's. */
  private async claimStream(tx: EntityManager, sender: Sender, { stream, base }: Birth): Promise<number | undefined> {
    const claim = { ...sender, stream };
    const claimed = (await this.streams.lock(tx, [claim]))(claim);
    if ('refused' in claimed) return undefined;
    const { cursor } = advance(claimed.cursor, { base, seq0: base, n: 0, refusedSeqs: [] });
    await this.streams.save(tx, new Map([[stream, cursor]]));
    return cursor.next;
  }

  private log(tx: EntityManager, { id }: DeviceRow, kind: string, message: string): Promise<void> {
    return this.events.append(tx, { kind, actor: 'flotilla', device: id, message });
  }
}

/** Above any number that a device can have used: it starts a new stream. */
const startAnew = Number.MAX_SAFE_INTEGER;

/**
 * A birth is repeated until it is welcomed: one of the same boot and stream that was not yet welcomed opens no further session.
 * A database that was restored may know fewer sessions than the device.
 */
function sessionFor(row: DeviceRow, birth: Birth): number {
  const again = birth.stream === row.stream && birth.boot === row.boot && birth.session === row.session - 1;
  return again ? row.session : Math.max(row.session, birth.session) + 1;
}
