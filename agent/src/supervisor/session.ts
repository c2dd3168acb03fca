import {
  Ack,
  decodePayload,
  encodePayload,
  PayloadError,
  Welcome,
  type Birth,
  type Command,
  type DesiredState,
  type DownKind,
  type Heartbeat,
  type Presence,
  type StreamId,
} from '@flotilla/protocol/device';
import type { z } from 'zod';
import { backoffMs } from '../core/backoff.js';
import type { Logger } from './logger.js';
import type { MqttLink } from './mqtt-link.js';
import type { Outbox } from './outbox.js';
import { messageOf } from '../errors.js';
import type { Trust } from './trust.js';
import type { Uplink } from './uplink.js';

/** What the device says of itself at birth, apart from what the session knows. */
type AboutDevice = Pick<Birth, 'boot' | 'agent' | 'profile' | 'hardwareClass' | 'notes' | 'slots'>;

interface SessionOptions {
  readonly link: Pick<MqttLink, 'publish' | 'isUp'>;
  readonly outbox: Pick<Outbox, 'state' | 'ack' | 'startNewStream'>;
  readonly trust: Pick<Trust, 'epoch' | 'hash' | 'desired' | 'command'>;
  readonly uplink: Pick<Uplink, 'resume' | 'pause' | 'pump'>;
  readonly about: () => AboutDevice;
  readonly uptime: () => number;
  /** Number of the last session; 0 before the first. */
  readonly session: number;
  readonly saveSession: (session: number) => void;
  readonly onServerTime: (serverTime: number) => void;
  readonly onDesired: (desired: DesiredState) => void;
  readonly onCommand: (command: Command) => void;
  readonly onAlarm: (alarm: { name: string; message: string }) => void;
  readonly random: () => number;
  readonly log: Logger;
  readonly heartbeatS: number;
  readonly birthBackoff?: { readonly baseMs: number; readonly capMs: number };
}

/** The conversation with the control plane over one connection after another: birth until welcome, then heartbeats, acks and orders. */
export class Session {
  /** Down-messages that were dropped, by kind. */
  readonly dropped: Partial<Record<DownKind, number>> = {};
  readonly #options: Required<SessionOptions>;
  #session: number;
  /** The stream of the latest birth. */
  #born: StreamId | undefined;
  #welcomed = false;
  #heartbeatS: number;
  #timer: NodeJS.Timeout | undefined;
  /** Down-messages are handled one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.#options = { birthBackoff: { baseMs: 2000, capMs: 60_000 }, ...options };
    this.#session = options.session;
    this.#heartbeatS = options.heartbeatS;
  }

  get isWelcomed(): boolean {
    return this.#welcomed;
  }

  linkUp(): void {
    this.#bear(0);
  }

  linkDown(): void {
    this.#welcomed = false;
    clearTimeout(this.#timer);
    this.#options.uplink.pause();
  }

  /** The outbox speaks as another stream from now on. */
  streamChanged(): void {
    if (!this.#options.link.isUp || this.#born === this.#stream) return;
    this.linkDown();
    this.#bear(0);
  }

  heartbeatEvery(seconds: number): void {
    this.#heartbeatS = seconds;
    if (this.#welcomed) this.#scheduleHeartbeat();
  }

  /** Says now what is in force, rather than at the next heartbeat. */
  sayNow(): void {
    if (this.#welcomed) this.#heartbeat();
  }

  /** Of the connection that is about to be made: it names the session before, as its birth will. */
  will(): Buffer {
    return this.#presence('will');
  }

  async goodbye(): Promise<void> {
    const welcomed = this.#welcomed;
    this.linkDown();
    if (welcomed) await this.#options.link.publish('presence', this.#presence('goodbye'));
  }

  message(kind: DownKind, payload: Buffer): void {
    this.#work = this.#work.then(() => this.#handle(kind, payload)).catch((error: unknown) => this.#failed(kind, error));
  }

  /** All messages that came were handled. */
  settled(): Promise<void> {
    return this.#work;
  }

  #presence(reason: Presence['reason']): Buffer {
    return encodePayload({ v: 1, stream: this.#stream, session: this.#session, online: false, reason } satisfies Presence);
  }

  get #stream(): StreamId {
    return this.#options.outbox.state.stream as StreamId;
  }

  async #handle(kind: DownKind, payload: Buffer): Promise<void> {
    switch (kind) {
      case 'welcome':
        return this.#welcome(read(Welcome, payload));
      case 'ack':
        return this.#ack(read(Ack, payload));
      case 'desired': {
        const desired = await this.#options.trust.desired(payload.toString('utf8'));
        if (!desired) return;
        this.#options.onDesired(desired);
        return this.sayNow();
      }
      case 'command': {
        const command = await this.#options.trust.command(payload.toString('utf8'));
        if (command) this.#options.onCommand(command);
      }
    }
  }

  #failed(kind: DownKind, error: unknown): void {
    const { log, onAlarm } = this.#options;
    this.dropped[kind] = (this.dropped[kind] ?? 0) + 1;
    if (error instanceof PayloadError)
      return log.warn({ kind, count: this.dropped[kind] }, `dropped a message that cannot be read: ${error.message}`);
    // Ours, then: a full disk, say. The server sends again, and the slots go on.
    log.error({ kind, error }, 'a message could not be handled');
    onAlarm({ name: 'message-failed', message: `a ${kind} message could not be handled: ${messageOf(error)}` });
  }

  #bear(attempt: number): void {
    if (this.#welcomed || !this.#options.link.isUp) return;
    const { birthBackoff, random, about, trust, outbox, uptime } = this.#options;
    const stream = (this.#born = this.#stream);
    const { next, base } = outbox.state;
    const position = { stream, session: this.#session, next, base, epoch: trust.epoch, ...inForce(trust) };
    const birth: Birth = { v: 1, ...position, uptime: uptime(), ...about() };
    this.#publish('birth', birth);
    clearTimeout(this.#timer);
    // Half is fixed: a welcome needs its time.
    const wait = birthBackoff.baseMs / 2 + backoffMs(attempt, birthBackoff, random());
    this.#timer = setTimeout(() => this.#bear(attempt + 1), wait);
  }

  async #welcome(welcome: Welcome): Promise<void> {
    const { outbox, uplink, onServerTime, saveSession, log } = this.#options;
    // Of another birth: one of before the stream changed, or another agent's with the same identity.
    if (welcome.stream !== this.#stream || !this.#options.link.isUp) return;
    if (welcome.next > outbox.state.next) {
      log.warn(
        { ours: outbox.state.next, theirs: welcome.next },
        'the server knows a later part of this stream: a new one is begun',
      );
      await outbox.startNewStream();
      return this.streamChanged();
    }
    onServerTime(welcome.serverTime);
    if (welcome.session !== this.#session) saveSession(welcome.session);
    this.#session = welcome.session;
    if (this.#welcomed) return;
    this.#welcomed = true;
    log.info({ session: welcome.session }, 'welcomed by the control plane');
    this.#scheduleHeartbeat();
    await uplink.resume();
  }

  async #ack(ack: Ack): Promise<void> {
    if (ack.stream !== this.#stream) return;
    await this.#options.outbox.ack(ack);
    this.#options.uplink.pump();
  }

  #scheduleHeartbeat(): void {
    clearTimeout(this.#timer);
    const wait = this.#heartbeatS * 1000 * (0.9 + 0.2 * this.#options.random());
    this.#timer = setTimeout(() => this.#heartbeat(), wait);
  }

  #heartbeat(): void {
    const { trust, outbox, uptime } = this.#options;
    const { base } = outbox.state;
    const beat: Heartbeat = {
      v: 1,
      stream: this.#stream,
      session: this.#session,
      base,
      epoch: trust.epoch,
      ...inForce(trust),
      uptime: uptime(),
    };
    this.#publish('heartbeat', beat);
    this.#scheduleHeartbeat();
  }

  #publish(kind: 'birth' | 'heartbeat', message: Birth | Heartbeat): void {
    // Lost with the link or for want of room: both are said again.
    this.#options.link
      .publish(kind, encodePayload(message))
      .catch((error: unknown) => this.#options.log.debug({ kind, error }, 'not sent'));
  }
}

const inForce = ({ hash }: Pick<Trust, 'hash'>) => (hash === undefined ? {} : { desiredHash: hash });

function read<T extends z.ZodType>(schema: T, payload: Buffer): z.infer<T> {
  const parsed = schema.safeParse(decodePayload(payload));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PayloadError(`${issue?.path.join('.')}: ${issue?.message}`);
}
