import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Batch,
  BootId,
  decodePayload,
  downTopic,
  encodePayload,
  EventRecord,
  fromColumns,
  parseUpTopic,
  TenantId,
  type DesiredState,
  type StreamId,
  type UpKind,
} from '@flotilla/protocol/device';
import { Aedes } from 'aedes';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { aDesired, aDirector, device, thumbprint } from './fixtures/director.js';
import { sourceHook } from './fixtures/source-hook.js';
import { createLogging } from './logger.js';
import { MqttLink } from './mqtt-link.js';
import { Outbox } from './outbox.js';
import { Session } from './session.js';
import { Trust } from './trust.js';
import { TrustedClock } from './trusted-clock.js';
import { Uplink } from './uplink.js';

const tenant = TenantId.parse('default');
const boot = BootId.parse('0192f3a0-0000-4000-8000-000000000001');
const uptime = () => performance.now() / 1000;
const { log } = createLogging('error', (line) => console.error(line));
const within = { timeout: 20_000, interval: 10 };
const director = await aDirector();

type Sent = { kind: UpKind; message: Record<string, unknown> };
/** A control plane on a real broker: welcomes, and acknowledges what it has put away. */
class ControlPlane {
  readonly sent: Sent[] = [];
  readonly records = new Map<string, string>();
  welcomes = true;
  acknowledges = true;
  knowsUpTo = 0;
  refusesSubscriptions = false;
  refusals = 0;
  #sessions = 0;
  #server!: Server;
  #broker!: Aedes;
  readonly #sockets = new Set<Socket>();

  async start(port = 0): Promise<number> {
    this.#broker = await Aedes.createBroker();
    this.#broker.authorizeSubscribe = (_client, subscription, done) => {
      if (this.refusesSubscriptions) this.refusals += 1;
      done(null, this.refusesSubscriptions ? null : subscription);
    };
    this.#broker.on('publish', (packet, client) => client && this.#receive(packet.topic, Buffer.from(packet.payload)));
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      this.#broker.handle(socket);
    });
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await new Promise<void>((resolve) => this.#broker.close(() => resolve()));
  }

  send(kind: Parameters<typeof downTopic>[2], payload: Buffer): void {
    const packet = {
      cmd: 'publish',
      topic: downTopic(tenant, device, kind),
      payload,
      qos: 1,
      retain: false,
      dup: false,
    } as const;
    this.#broker.publish(packet, () => {});
  }

  of(kind: UpKind) {
    return this.sent.filter((sent) => sent.kind === kind).map(({ message }) => message);
  }
  /** Bodies of the replies, in order of their numbers. */
  details(): (string | undefined)[] {
    const bySeq = (key: string) => Number(key.split(' ')[1]);
    return [...this.records].toSorted(([a], [b]) => bySeq(a) - bySeq(b)).map(([, detail]) => detail);
  }

  #receive(topic: string, payload: Buffer): void {
    const { kind } = parseUpTopic(topic)!;
    const message = decodePayload(payload) as Record<string, unknown>;
    this.sent.push({ kind, message });
    if (kind === 'birth' && this.welcomes) this.welcome(message['stream'] as StreamId);
    if (kind === 'event') this.#take(Batch.parse(message));
  }

  welcome(stream: StreamId): void {
    const session = (this.#sessions += 1);
    this.send('welcome', encodePayload({ v: 1, stream, session, epoch: 0, serverTime: 1000, next: this.knowsUpTo }));
    this.knowsUpTo = 0;
  }

  #take({ stream, seq0, records }: Batch): void {
    const rows = fromColumns(records).map((row) => EventRecord.parse(row));
    for (const [i, row] of rows.entries()) {
      const key = `${stream} ${seq0 + i}`;
      const detail = row.type === 'reply' ? row.detail! : row.type;
      expect(this.records.get(key) ?? detail).toBe(detail);
      this.records.set(key, detail);
    }
    if (!this.acknowledges) return;
    const ack = encodePayload({ v: 1, stream, upTo: 0, ranges: [[seq0, seq0 + rows.length - 1]], refused: [] });
    // Every acknowledgement comes twice: that must change nothing.
    this.send('ack', ack);
    this.send('ack', ack);
  }
}

let folder: string;
let plane: ControlPlane;
let port: number;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'session-'));
  plane = new ControlPlane();
  port = await plane.start();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await plane.stop();
  rmSync(folder, { recursive: true });
});

async function aDevice() {
  const desired: DesiredState[] = [];
  const commands: string[] = [];
  const saved: number[] = [];
  const clock = new TrustedClock(join(folder, 'clock.json'), () => 0, 0);
  const anchor = { directorKey: director.directorKey, device, keyThumbprint: thumbprint };
  const trust = new Trust({ anchor, file: join(folder, 'desired.jws'), clock, onAlarm: () => {} });
  const onDeath = (error: Error) => {
    throw error;
  };
  const limits = { maxBytes: 1e6, maxAgeS: 1e6 };
  const file = join(folder, 'outbox.db');
  const outbox = new Outbox({
    file,
    thumbprint,
    limits,
    unwrittenS: 30,
    onAlarm: () => {},
    onDeath,
    execArgv: ['--import', sourceHook],
  });
  await outbox.opened;
  const link: MqttLink = new MqttLink({
    url: `mqtt://127.0.0.1:${port}`,
    tenant,
    device,
    tls: () => ({}),
    will: () => session.will(),
    handlers: {
      up: () => session.linkUp(),
      down: () => session.linkDown(),
      message: (kind, payload) => session.message(kind, payload),
    },
    random: Math.random,
    backoff: { baseMs: 50, capMs: 100 },
    silenceMs: 6000,
  });
  const uplink = new Uplink({ link, outbox, boot, uptime, log, uploadS: 1 });
  const session: Session = new Session({
    link,
    outbox,
    trust,
    uplink,
    uptime,
    log: createLogging('silent', () => {}).log,
    random: Math.random,
    session: 0,
    saveSession: (number) => saved.push(number),
    about: () => ({ boot, agent: '0.1.0', profile: 'generic-x64', hardwareClass: 'generic-x64/ort-1', notes: [], slots: [] }),
    onServerTime: (serverTime) => clock.told(serverTime),
    onDesired: (state) => desired.push(state),
    onCommand: ({ command }) => commands.push(command),
    onAlarm: () => {},
    heartbeatS: 60,
    birthBackoff: { baseMs: 100, capMs: 200 },
  });
  outbox.onChange(() => {
    session.streamChanged();
    uplink.pump();
  });
  const say = (...details: string[]) =>
    details.forEach((detail) => outbox.append({ type: 'reply', boot, uptime: 1, nonce: 'n'.repeat(16), ok: true, detail }));
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await session.goodbye().catch(() => {});
    await link.stop();
    await outbox.close();
  };
  closing.push(close);
  link.start();
  return { session, link, outbox, trust, desired, commands, saved, say, close };
}

describe('a session', { timeout: 60_000 }, () => {
  it('says nothing but its birth, again and again, until it is welcomed', async () => {
    plane.welcomes = false;
    const { say, saved, outbox } = await aDevice();
    say('waits');
    await vi.waitFor(() => expect(plane.of('birth').length).toBeGreaterThanOrEqual(3), within);
    expect(new Set(plane.sent.map(({ kind }) => kind))).toEqual(new Set(['birth']));
    plane.welcomes = true;
    await vi.waitFor(() => expect(plane.details()).toEqual(['waits']), within);
    await vi.waitFor(() => expect(outbox.state).toMatchObject({ records: 0, base: 1, next: 1 }), within);
    expect(saved[0]).toBe(1);
    expect(plane.of('birth')[0]).toMatchObject({ session: 0, next: 0, base: 0, epoch: 0, profile: 'generic-x64' });
  });

  it('brings every record over broker restarts and lost acknowledgements, each under one number', async () => {
    plane.acknowledges = false;
    const { say, outbox, link } = await aDevice();
    const all = Array.from({ length: 30 }, (_, i) => `record ${i}`);
    say(...all.slice(0, 10));
    await vi.waitFor(() => expect(plane.details()).toHaveLength(10), within);
    expect(outbox.state.records).toBe(10);
    await plane.stop();
    await vi.waitFor(() => expect(link.isUp).toBe(false), within);
    say(...all.slice(10));
    plane.acknowledges = true;
    await plane.start(port);
    await vi.waitFor(() => expect(outbox.state).toMatchObject({ records: 0, next: 30, base: 30 }), within);
    expect(plane.details()).toEqual(all);
  });

  it('begins a new stream when the server knows a later part of its own', async () => {
    plane.knowsUpTo = 1000;
    const { outbox, say } = await aDevice();
    const { stream } = outbox.state;
    say('under the new stream');
    await vi.waitFor(() => expect(plane.details()).toEqual(['under the new stream']), within);
    expect(outbox.state.stream).not.toBe(stream);
    const streams = new Set(plane.of('birth').map((birth) => birth['stream']));
    expect([...streams]).toEqual([stream, outbox.state.stream]);
  });

  it('obeys a signed desired state, says so at once, and drops what is unsigned or unreadable', async () => {
    const { desired, session, trust } = await aDevice();
    await vi.waitFor(() => expect(session.isWelcomed).toBe(true), within);
    plane.send('welcome', Buffer.from('garbage'));
    plane.send('ack', encodePayload({ v: 2 }));
    plane.send('ack', encodePayload({ v: 1, stream: 'f'.repeat(32), upTo: 99, ranges: [], refused: [] }));
    plane.send('desired', Buffer.from(JSON.stringify(aDesired({ epoch: 9 }))));
    plane.send('desired', Buffer.from(await director.sign(aDesired())));
    await vi.waitFor(() => expect(desired).toEqual([aDesired()]), within);
    expect(session.dropped).toEqual({ welcome: 1, ack: 1 });
    expect(trust.refused).toEqual({ unsigned: 1 });
    await vi.waitFor(() => expect(plane.of('heartbeat').at(-1)).toMatchObject({ epoch: 5, desiredHash: trust.hash }), within);
  });

  it('passes signed commands on', async () => {
    const { commands, session } = await aDevice();
    await vi.waitFor(() => expect(session.isWelcomed).toBe(true), within);
    const command = { v: 1, type: 'command', device, nonce: 'n'.repeat(16), deadline: 1e12, command: 'diagnose' };
    plane.send('command', Buffer.from(await director.sign(command)));
    await vi.waitFor(() => expect(commands).toEqual(['diagnose']), within);
  });

  it('says goodbye in the session that it was welcomed to', async () => {
    const { close, outbox, session } = await aDevice();
    await vi.waitFor(() => expect(session.isWelcomed).toBe(true), within);
    const { stream } = outbox.state;
    await close();
    await vi.waitFor(
      () => expect(plane.of('presence')).toEqual([{ v: 1, stream, session: 1, online: false, reason: 'goodbye' }]),
      within,
    );
  });

  it('keeps asking a broker that refuses its subscriptions', async () => {
    plane.refusesSubscriptions = true;
    const { session, link } = await aDevice();
    await vi.waitFor(() => expect(plane.refusals).toBeGreaterThan(4), within);
    expect({ up: link.isUp, births: plane.of('birth') }).toEqual({ up: false, births: [] });
    plane.refusesSubscriptions = false;
    await vi.waitFor(() => expect(session.isWelcomed).toBe(true), within);
  });

  it('gives up a link on which nothing comes', async () => {
    const dumb = createServer((socket) => {
      // Says that the connection is accepted and the four topics subscribed, and then nothing more.
      socket.once('data', () => {
        socket.write(Buffer.of(0x20, 2, 0, 0));
        socket.on('data', (bytes) => bytes[0] === 0x82 && socket.write(Buffer.of(0x90, 6, bytes[2]!, bytes[3]!, 1, 1, 1, 1)));
      });
    });
    dumb.listen(0, '127.0.0.1');
    await once(dumb, 'listening');
    const reasons: string[] = [];
    const link = new MqttLink({
      url: `mqtt://127.0.0.1:${(dumb.address() as AddressInfo).port}`,
      tenant,
      device,
      tls: () => ({}),
      will: () => Buffer.of(),
      handlers: { up: () => {}, message: () => {}, down: (reason) => reasons.push(reason) },
      random: () => 1,
      silenceMs: 400,
    });
    link.start();
    await vi.waitFor(() => expect(reasons).toEqual(['nothing came for 0.4 s']), within);
    await link.stop();
    dumb.close();
  });
});
