import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import {
  downKinds,
  downTopic,
  upTopic,
  type DeviceId,
  type DownKind,
  type TenantId,
  type UpKind,
} from '@flotilla/protocol/device';
import { backoffMs } from '../core/backoff.js';

interface LinkHandlers {
  up(): void;
  down(reason: string): void;
  message(kind: DownKind, payload: Buffer): void;
}

interface LinkOptions {
  readonly url: string;
  readonly tenant: TenantId;
  readonly device: DeviceId;
  /** Asked at each attempt: the certificate is renewed from time to time. */
  readonly tls: () => Pick<IClientOptions, 'key' | 'cert' | 'ca'>;
  /** What the broker says for the device when it is gone without a word; asked at each attempt. */
  readonly will: () => Buffer;
  readonly handlers: LinkHandlers;
  readonly random: () => number;
  readonly backoff?: { readonly baseMs: number; readonly capMs: number };
  /** A link on which nothing came for so long is given up, whatever TCP believes. */
  readonly silenceMs?: number;
}

const maxInFlight = 16;
/** Kept for birth and heartbeat, which a backlog must not hold up. */
const reserved = 2;
const connectTimeoutMs = 10_000;
/** So long must a link hold for the next attempt to come soon again. */
const steadyMs = 10_000;

/** MQTT.js as a mere transport: a fresh client for each connection, so that no queue or session of its own outlives one. */
export class MqttLink {
  readonly #options: Required<LinkOptions>;
  #client: MqttClient | undefined;
  #up = false;
  #stopped = false;
  #inFlight = 0;
  #attempt = 0;
  #upSince = 0;
  #heardAt = 0;
  #reconnect: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = { backoff: { baseMs: 1000, capMs: 60_000 }, silenceMs: 60_000, ...options };
  }

  get isUp(): boolean {
    return this.#up;
  }
  /** Batches that may be published now. */
  get room(): number {
    return this.#up ? maxInFlight - reserved - this.#inFlight : 0;
  }

  start(): void {
    if (this.#stopped || this.#client) return;
    const { url, device, tenant, tls, will, silenceMs } = this.#options;
    const client = connect(url, {
      ...tls(),
      clientId: device,
      protocolVersion: 4,
      clean: true,
      keepalive: Math.max(1, Math.floor(silenceMs / 3000)),
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      // Its table of all 65,536 numbers as buffers of two bytes is larger than what it saves.
      writeCache: false,
      will: { topic: upTopic(tenant, device, 'presence'), payload: will(), qos: 1, retain: false },
    });
    this.#client = client;
    // Each message on its way listens for the end: Node takes more than ten for a leak.
    client.setMaxListeners(2 * maxInFlight);
    this.#heardAt = performance.now();
    let reason = 'the connection was closed';
    client.on('error', (error) => {
      reason = error.message || String('code' in error ? error.code : error.name);
      // MQTT.js leaves a refused connection open.
      client.end(true);
    });
    client.on('packetreceive', () => (this.#heardAt = performance.now()));
    client.on('connect', () => this.#subscribe(client));
    client.on('message', (topic, payload) => this.#receive(client, topic, payload));
    client.on('close', () => this.#closed(client, reason));
    this.#watchdog = setInterval(() => this.#watch(client), silenceMs / 4);
  }

  /** Resolves when the broker has it; rejects when the link falls before, or there is no room. */
  async publish(kind: UpKind, payload: Buffer): Promise<void> {
    const client = this.#client;
    if (!client || !this.#up) throw new Error('the link is down');
    if (this.#inFlight >= maxInFlight) throw new Error(`${maxInFlight} messages are on their way already`);
    const { tenant, device } = this.#options;
    this.#inFlight += 1;
    const sent = Promise.withResolvers<void>();
    const closed = () => sent.reject(new Error('the link fell'));
    client.once('close', closed);
    client.publish(upTopic(tenant, device, kind), payload, { qos: 1 }, (error) => (error ? sent.reject(error) : sent.resolve()));
    try {
      await sent.promise;
    } finally {
      client.off('close', closed);
      if (client === this.#client) this.#inFlight -= 1;
    }
  }

  /** Gives the connection up, and makes another: what was on its way may be lost. */
  cut(): void {
    if (this.#client) this.#giveUp(this.#client, 'cut');
  }

  /** Ends the connection cleanly, so that the broker keeps the will to itself. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#reconnect);
    const client = this.#client;
    if (!client) return;
    if (this.#up) await client.endAsync();
    else client.end(true);
    this.#closed(client, 'stopped');
  }

  #subscribe(client: MqttClient): void {
    const { tenant, device } = this.#options;
    const topics = downKinds.map((kind) => downTopic(tenant, device, kind));
    client.subscribe(topics, { qos: 1 }, (error, granted) => {
      if (client !== this.#client) return;
      const refused = granted?.filter(({ qos }) => qos === 128).map(({ topic }) => topic);
      if (error || refused?.length) return this.#giveUp(client, error?.message ?? `the broker refused ${refused?.join(', ')}`);
      this.#up = true;
      this.#upSince = performance.now();
      this.#options.handlers.up();
    });
  }

  #receive(client: MqttClient, topic: string, payload: Buffer): void {
    const { tenant, device, handlers } = this.#options;
    const kind = downKinds.find((k) => downTopic(tenant, device, k) === topic);
    if (kind && client === this.#client) handlers.message(kind, payload);
  }

  #watch(client: MqttClient): void {
    const { silenceMs } = this.#options;
    if (performance.now() - this.#heardAt > silenceMs) this.#giveUp(client, `nothing came for ${silenceMs / 1000} s`);
  }

  #giveUp(client: MqttClient, reason: string): void {
    client.end(true);
    this.#closed(client, reason);
  }

  #closed(client: MqttClient, reason: string): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    clearInterval(this.#watchdog);
    const wasSteady = this.#up && performance.now() - this.#upSince >= steadyMs;
    this.#up = false;
    this.#inFlight = 0;
    this.#attempt = wasSteady ? 0 : this.#attempt + 1;
    if (this.#stopped) return;
    this.#options.handlers.down(reason);
    const { backoff, random } = this.#options;
    this.#reconnect = setTimeout(() => this.start(), backoffMs(this.#attempt, backoff, random()));
  }
}
