import {
  Birth,
  decodePayload,
  downTopic,
  encodePayload,
  Heartbeat,
  maxPayloadBytes,
  parseUpTopic,
  PayloadError,
  Presence,
  quickCheck,
  type DeviceId,
  type UpKind,
} from '@flotilla/protocol';
import type { z } from 'zod';
import type { Counters } from '../platform/counters.js';
import type { Logger } from '../platform/logger.js';
import type { Clock } from '../platform/tokens.js';
import { inWords, readBatch, type ReceivedBatch, type Sender } from './batch.js';
import type { DeviceSessions } from './device-sessions.js';
import type { Ingest } from './ingest.js';
import type { PresenceWatch } from './presence.js';
import type { StreamAlarms } from './stream-alarms.js';

type Parts = {
  sessions: DeviceSessions;
  ingest: Pick<Ingest, 'add'>;
  presence: Pick<PresenceWatch, 'suspect'>;
  alarms: Pick<StreamAlarms, 'raise'>;
  publish: (topic: string, payload: Buffer) => Promise<void>;
  /** Ends the device's connection, so that it comes back with a birth. */
  reconnect: (device: DeviceId) => Promise<void>;
  counters: Counters;
  log: Logger;
  clock: Clock;
};

const isHeartbeat = quickCheck(Heartbeat);
/** Heartbeats under way in memory; more slow the broker connection. */
const mostBeating = 1000;

/** What devices publish: parsed, and given to whoever it is for. What can't be read is counted and dropped. */
export class DeviceInbox {
  readonly #parts: Parts;
  /** Births, heartbeats and presence of one device are handled one after another, as they came. */
  readonly #last = new Map<DeviceId, Promise<void>>();
  #beating = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Resolves when the next message may come. */
  receive = async (topic: string, payload: Buffer): Promise<void> => {
    const { counters, clock } = this.#parts;
    const receivedAt = clock.now();
    const up = parseUpTopic(topic);
    if (!up) return counters.count('link.unknown-topic');
    const sender: Sender = { tenant: up.tenant, device: up.device };
    if (up.kind === 'telemetry' || up.kind === 'event') return this.#batch(up.kind, payload, { sender, receivedAt });
    const message = this.#decode(sender, up.kind, payload);
    if (message === undefined) return;
    switch (up.kind) {
      case 'birth':
        return this.#inOrder(sender, () => this.#parsed(Birth, sender, up.kind, message, (birth) => this.#birth(sender, birth)));
      case 'heartbeat':
        return this.#beat(sender, () =>
          this.#parsed(Heartbeat, sender, up.kind, message, (beat) => this.#heartbeat(sender, beat), isHeartbeat),
        );
      case 'presence':
        return this.#inOrder(sender, () =>
          this.#parsed(Presence, sender, up.kind, message, (left) => this.#presence(sender, left)),
        );
    }
  };

  #decode(sender: Sender, kind: UpKind, payload: Buffer): unknown {
    try {
      return decodePayload(payload) ?? null;
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error;
      this.#drop(sender, kind, 'link.malformed', error.message);
      return undefined;
    }
  }

  /** Kept as a copy: the payload is a view into what the socket read, which would stay with it. */
  #batch(kind: BatchKind, payload: Buffer, from: BatchOrigin): Promise<void> {
    const own = Buffer.from(payload);
    return this.#parts.ingest.add({ bytes: own.length, jsonBytes: jsonBytes(own), read: () => this.#read(kind, own, from) });
  }

  /** Nothing for what can't be read, whatever is wrong with it: the batches behind it wait for their turn. */
  #read(kind: BatchKind, payload: Buffer, from: BatchOrigin): ReceivedBatch | undefined {
    try {
      const message = this.#decode(from.sender, kind, payload);
      if (message === undefined) return undefined;
      const batch = readBatch(kind, message, from);
      if (!('unreadable' in batch)) return batch;
      this.#drop(from.sender, kind, reasonCode(message), batch.unreadable);
    } catch (error) {
      this.#parts.counters.count('link.malformed');
      this.#parts.log.warn({ err: error, ...from.sender, kind }, 'a batch could not be read');
    }
    return undefined;
  }

  async #parsed<T>(
    schema: z.ZodType<T>,
    sender: Sender,
    kind: UpKind,
    message: unknown,
    handle: (message: T) => Promise<void>,
    isSurely: (message: unknown) => boolean = () => false,
  ): Promise<void> {
    if (isSurely(message)) return handle(message as T);
    const parsed = schema.safeParse(message);
    if (parsed.success) await handle(parsed.data);
    else this.#drop(sender, kind, reasonCode(message), inWords(parsed.error.issues));
  }

  async #birth(sender: Sender, birth: Birth): Promise<void> {
    const { sessions, publish, alarms, counters, log, clock } = this.#parts;
    const welcomed = await sessions.born(sender, birth, clock.now());
    if (!welcomed) return this.#drop(sender, 'birth', 'link.unknown-device', 'not enrolled, or revoked');
    counters.count('link.births');
    if (welcomed.foreign) await alarms.raise({ ...sender, stream: birth.stream });
    // Not waited for: the broker's receipt comes behind the births that wait for their turn. A birth is repeated until welcomed.
    publish(downTopic(sender.tenant, sender.device, 'welcome'), encodePayload(welcomed.welcome)).catch((error: unknown) => {
      counters.count('link.welcomes-failed');
      log.debug({ err: error, device: sender.device }, 'a welcome was not sent');
    });
  }

  /** Not waited for while there are few: what reads the connection would else have no more than a handful of them to gather. */
  async #beat(sender: Sender, work: () => Promise<void>): Promise<void> {
    this.#beating++;
    const done = this.#inOrder(sender, work)
      .catch((error: unknown) => this.#parts.log.warn({ err: error, device: sender.device }, 'a heartbeat was not handled'))
      .finally(() => this.#beating--);
    if (this.#beating > mostBeating) await done;
  }

  async #heartbeat(sender: Sender, heartbeat: Heartbeat): Promise<void> {
    const { sessions, reconnect, counters, clock } = this.#parts;
    const heard = await sessions.heard(sender, heartbeat, clock.now());
    if (heard === 'unknown') return this.#drop(sender, 'heartbeat', 'link.unknown-device', 'not enrolled, or revoked');
    counters.count('link.heartbeats');
    if (heard === 'regressed') await reconnect(sender.device);
  }

  async #presence(sender: Sender, presence: Presence): Promise<void> {
    const { sessions, presence: watch, counters, clock } = this.#parts;
    if (presence.online) return;
    if (presence.reason === 'will') {
      watch.suspect(sender, presence, clock.now());
      counters.count('link.wills');
    } else if (!(await sessions.left(sender, presence, clock.now()))) counters.count('link.late-goodbyes');
  }

  #drop(sender: Sender, kind: UpKind, counter: string, reason: string): void {
    this.#parts.counters.count(counter);
    this.#parts.log.debug({ ...sender, kind, reason }, 'a device message was dropped');
  }

  async #inOrder({ device }: Sender, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(device) ?? Promise.resolve();
    // A failure is its own message's affair: the next one is handled all the same.
    const done = before.then(work, work);
    this.#last.set(device, done);
    try {
      await done;
    } finally {
      if (this.#last.get(device) === done) this.#last.delete(device);
    }
  }
}

type BatchKind = Parameters<typeof readBatch>[0];
type BatchOrigin = Parameters<typeof readBatch>[2];

/** A message of a later version is no garbage: it tells that this control plane is too old. */
const reasonCode = (message: unknown) =>
  message !== null && typeof message === 'object' && 'v' in message && message.v !== 1
    ? 'link.unknown-version'
    : 'link.malformed';

/** gzip ends with the length of what it holds (RFC 1952): what it says, within what a message may be. */
const jsonBytes = (payload: Buffer) =>
  payload[0] === 0x1f && payload.length > 18
    ? Math.min(16 * maxPayloadBytes, Math.max(payload.length, payload.readUInt32LE(payload.length - 4)))
    : payload.length;
