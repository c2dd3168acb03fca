import { randomBytes, randomUUID } from 'node:crypto';
import {
  Ack,
  BootId,
  decodePayload,
  downKinds,
  downTopic,
  encodePayload,
  StreamId,
  TenantId,
  toColumns,
  upTopic,
  Welcome,
  type Birth,
  type DeviceId,
  type Digest,
  type EventRecord,
  type ReportedSlot,
  type TelemetryRecord,
  type UpKind,
} from '@flotilla/protocol';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';

type Kind = 'telemetry' | 'event';
type Held = { kind: Kind; record: Record<string, unknown> };
export type FakeDeviceOptions = {
  url: string;
  device: DeviceId;
  tenant?: TenantId;
  /** The device's certificate, where the broker asks for one. */
  tls?: Pick<IClientOptions, 'key' | 'cert' | 'ca' | 'servername'>;
  /** Another one's, to see what comes of a cloned disk. */
  stream?: StreamId;
};

export const newStream = () => StreamId.parse(randomBytes(16).toString('hex'));
export const newBoot = () => BootId.parse(randomUUID());

/**
 * Speaks the protocol as an agent does: birth until welcomed, batches from an outbox that keeps each record until it is
 * acknowledged, a new stream when told so. Only its outbox is in memory, and nothing happens unless a test says so.
 */
export class FakeDevice {
  readonly device: DeviceId;
  readonly tenant: TenantId;
  stream: StreamId;
  boot = newBoot();
  uptime = 100;
  next = 0;
  /** Records by sequence number, until acknowledged. */
  readonly held = new Map<number, Held>();
  readonly welcomes: Welcome[] = [];
  readonly acks: Ack[] = [];
  /** Signed desired states, as they came. */
  readonly desired: string[] = [];
  slots: ReportedSlot[] = [];
  epoch = 0;
  desiredHash: Digest | undefined;
  readonly #options: FakeDeviceOptions;
  readonly #watchers = new Set<() => void>();
  #client: MqttClient | undefined;

  constructor(options: FakeDeviceOptions) {
    this.#options = options;
    this.device = options.device;
    this.tenant = options.tenant ?? TenantId.parse('default');
    this.stream = options.stream ?? newStream();
  }

  get session(): number {
    return this.welcomes.at(-1)?.session ?? 0;
  }
  get base(): number {
    return Math.min(this.next, ...this.held.keys());
  }

  /** Connects, subscribes its own four topics and no more. */
  async connect(): Promise<void> {
    const will = {
      topic: this.#topic('presence'),
      payload: encodePayload(this.#presence('will')),
      qos: 1 as const,
      retain: false,
    };
    const client = await connectAsync(this.#options.url, {
      ...this.#options.tls,
      clientId: this.device,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
      queueQoSZero: false,
      will,
    });
    client.on('message', (topic, payload) => this.#receive(topic, payload));
    await client.subscribeAsync(
      downKinds.map((kind) => downTopic(this.tenant, this.device, kind)),
      { qos: 1 },
    );
    this.#client = client;
  }

  /** Connected, born and welcomed. */
  async join(): Promise<Welcome> {
    await this.connect();
    return this.bear();
  }

  async bear(): Promise<Welcome> {
    const before = this.welcomes.length;
    await this.publish('birth', this.birth());
    await this.until(() => this.welcomes.length > before, 'a welcome');
    return this.welcomes.at(-1)!;
  }

  birth(): Birth {
    const { stream, session, boot, uptime, next, base, slots, epoch, desiredHash } = this;
    const facts = { agent: '0.1.0', profile: 'generic-x64', hardwareClass: 'generic-x64/1.30.0', notes: [] };
    return { v: 1, stream, session, boot, uptime, next, base, ...facts, slots, epoch, ...(desiredHash && { desiredHash }) };
  }

  heartbeat(): Promise<void> {
    const { stream, session, base, epoch, desiredHash, uptime } = this;
    return this.publish('heartbeat', { v: 1, stream, session, base, epoch, ...(desiredHash && { desiredHash }), uptime });
  }

  /** Into the outbox; nothing is sent yet. */
  keep(kind: Kind, ...records: readonly (TelemetryRecord | EventRecord | Record<string, unknown>)[]): void {
    for (const record of records) this.held.set(this.next++, { kind, record });
  }

  /** Gives a record up that was never acknowledged. */
  drop(seq: number): void {
    this.held.delete(seq);
  }

  /** Everything held, in runs of one kind: what a device does after a while without an acknowledgement. */
  async send(): Promise<void> {
    const seqs = [...this.held.keys()].toSorted((a, b) => a - b);
    let run: number[] = [];
    for (const [i, seq] of seqs.entries()) {
      run.push(seq);
      const following = seqs[i + 1];
      if (following === seq + 1 && this.held.get(following)!.kind === this.held.get(seq)!.kind) continue;
      await this.sendBatch(run[0]!, run.length);
      run = [];
    }
  }

  sendBatch(seq0: number, n: number, kind: Kind = this.held.get(seq0)!.kind): Promise<void> {
    const records = Array.from({ length: n }, (_, i) => this.held.get(seq0 + i)!.record);
    const { stream, boot, uptime, base } = this;
    return this.publish(kind, { v: 1, stream, boot, uptime, base, seq0, records: toColumns(records) });
  }

  /** Resolves when the broker has it. */
  publish(kind: UpKind, message: unknown): Promise<void> {
    return this.publishRaw(kind, encodePayload(message));
  }

  async publishRaw(kind: UpKind, payload: Buffer): Promise<void> {
    if (!this.#client) throw new Error(`${this.device} is not connected`);
    await this.#client.publishAsync(this.#topic(kind), payload, { qos: 1 });
  }

  /** All that it kept is resolved. */
  untilAcknowledged(deadlineMs?: number): Promise<void> {
    return this.until(() => this.held.size === 0, 'everything acknowledged', deadlineMs);
  }

  /** Looks again whenever a message came. */
  async until(reached: () => boolean, what: string, deadlineMs = 10_000): Promise<void> {
    if (reached()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => reached() && resolve();
    const timer = setTimeout(() => reject(new Error(`${this.device} waited ${deadlineMs} ms for ${what}`)), deadlineMs);
    this.#watchers.add(look);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  async sayGoodbye(): Promise<void> {
    await this.publish('presence', this.#presence('goodbye'));
    await this.stop();
  }

  /** As when its power is cut: the broker publishes the will. */
  cut(): void {
    this.#client?.stream.destroy();
    this.#client = undefined;
  }

  /** The broker ended the connection. */
  async untilDisconnected(): Promise<void> {
    const client = this.#client;
    if (client?.connected) await new Promise<void>((resolve) => client.once('close', () => resolve()));
    this.#client = undefined;
  }

  async stop(): Promise<void> {
    await this.#client?.endAsync();
    this.#client = undefined;
  }

  #topic = (kind: UpKind) => upTopic(this.tenant, this.device, kind);
  #presence = (reason: 'will' | 'goodbye') => ({ v: 1, stream: this.stream, session: this.session, online: false, reason });

  #receive(topic: string, payload: Buffer): void {
    const kind = downKinds.find((each) => downTopic(this.tenant, this.device, each) === topic);
    if (kind === 'welcome') this.#welcomed(Welcome.parse(decodePayload(payload)));
    else if (kind === 'ack') this.#acknowledged(Ack.parse(decodePayload(payload)));
    else if (kind === 'desired') this.desired.push(payload.toString());
    for (const look of this.#watchers) look();
  }

  #welcomed(welcome: Welcome): void {
    this.welcomes.push(welcome);
    if (welcome.stream !== this.stream || welcome.next <= this.next) return;
    this.stream = newStream();
    const kept = [...this.held.values()];
    this.held.clear();
    this.next = 0;
    for (const { kind, record } of kept) this.keep(kind, record);
  }

  #acknowledged(ack: Ack): void {
    this.acks.push(ack);
    if (ack.stream !== this.stream) return;
    const isResolved = (seq: number) => seq < ack.upTo || ack.ranges.some(([from, to]) => from <= seq && seq <= to);
    for (const seq of this.held.keys()) if (isResolved(seq)) this.held.delete(seq);
  }
}
