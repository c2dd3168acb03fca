import { randomUUID } from 'node:crypto';
import { allUp, sharedUp } from '@flotilla/protocol';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';

type Message = Readonly<{ topic: string; payload: Buffer }>;
export type OnMessage = (topic: string, payload: Buffer) => Promise<void>;

export interface MqttLinkOptions {
  url: string;
  /** Read at each connect: certificates are renewed while we run. */
  tls: () => { key: string; cert: string; ca: string };
  /** Only external brokers deliver to `$share`; there, replicas share what devices send. */
  kind: 'embedded' | 'external';
  credentials?: { username: string; password: string } | undefined;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  /** In [0, 1): spreads reconnects; Math.random unless a test says otherwise. */
  random?: () => number;
}

const maxOutstanding = 64;
const publishTimeoutMs = 10_000;
const firstRetryMs = 200;
const lastRetryMs = 10_000;

/**
 * The control plane's own MQTT connection. Each connect is a new client with a clean session, so that nothing waits in
 * a queue of MQTT.js: what is not acknowledged is rejected, and its sender decides.
 */
export class MqttLink {
  #client: MqttClient | undefined;
  #connected = false;
  #stopped = false;
  #attempts = 0;
  #retry: NodeJS.Timeout | undefined;
  #outstanding = 0;
  #gathering = false;
  readonly #waiting: (() => void)[] = [];
  readonly #pending = new Set<(error: Error) => void>();
  readonly #connects = new Set<() => void>();
  #onMessage: OnMessage = async () => {};
  /** The same in each connect: a broker that has not noticed the end of the last one ends it then, and shares no more with it. */
  readonly #clientId = `cp-${randomUUID()}`;

  constructor(private readonly options: MqttLinkOptions) {}

  get connected(): boolean {
    return this.#connected;
  }

  /**
   * Connects, and keeps reconnecting. While `maxOutstanding` messages are being handled no further one is read, so that
   * TCP holds the broker back. PUBACK may precede the commit: a device keeps each record until `dn/ack`. So the embedded broker, which
   * waits for its reader and drops nothing, need not be told of each message; what others would drop they keep until it is acknowledged.
   */
  start(onMessage: OnMessage): void {
    this.#onMessage = onMessage;
    this.#open();
  }

  /** Called after each connect, once subscribed. */
  onConnect(listener: () => void): void {
    this.#connects.add(listener);
  }

  /** Resolves on the broker's acknowledgement (QoS 0: when it is written); rejects at once while there is no connection. */
  publish(topic: string, payload: string | Buffer, qos: 0 | 1 = 1): Promise<void> {
    const client = this.#client;
    if (!client || !this.#connected) return Promise.reject(new Error('not connected to the broker'));
    return new Promise((resolve, reject) => {
      const settle = (error?: Error | null) => {
        clearTimeout(timer);
        this.#pending.delete(settle);
        if (error) reject(error);
        else resolve();
      };
      const timer = setTimeout(() => this.#stalled(client, settle), publishTimeoutMs);
      this.#pending.add(settle);
      this.#gather(client);
      client.publish(topic, payload as Buffer, { qos }, settle);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#lost();
    await this.#client?.endAsync(true);
  }

  #open(): void {
    const { url, tls, credentials } = this.options;
    const client = connect(url, { ...clientOptions, ...tls(), ...credentials, clientId: this.#clientId });
    this.#client = client;
    client.handleMessage = ({ topic, payload }, done) => this.#handle(client, { topic, payload: payload as Buffer }, done);
    client.on('connect', () => void this.#subscribe(client));
    client.on('error', (error) => this.options.log.warn({ err: error }, 'broker connection failed'));
    client.on('close', () => this.#closed(client));
  }

  async #subscribe(client: MqttClient): Promise<void> {
    const filter = this.options.kind === 'external' ? sharedUp() : allUp;
    try {
      const granted = await client.subscribeAsync(filter, { qos: this.options.kind === 'external' ? 1 : 0 });
      if (granted.some(({ qos }) => qos === 128)) throw new Error(`the broker refused the subscription ${filter}`);
      this.#attempts = 0;
      this.#connected = true;
      for (const listener of this.#connects) listener();
    } catch (error) {
      this.options.log.warn({ err: error, filter }, 'the broker refused our subscription; connecting again');
      client.end(true);
    }
  }

  /** Receipts and messages of one turn of the loop leave in one write: each by itself costs as much as what it answers. */
  #gather({ stream }: MqttClient): void {
    if (this.#gathering) return;
    this.#gathering = true;
    stream.cork();
    setImmediate(() => {
      this.#gathering = false;
      stream.uncork();
    });
  }

  #handle(client: MqttClient, { topic, payload }: Message, next: () => void): void {
    this.#gather(client);
    this.#outstanding++;
    void this.#onMessage(topic, payload)
      .catch((error: unknown) => this.options.log.warn({ err: error, topic }, 'a device message was not handled'))
      .finally(() => this.#handled());
    if (this.#outstanding < maxOutstanding) next();
    else this.#waiting.push(next);
  }

  #handled(): void {
    this.#outstanding--;
    this.#waiting.shift()?.();
  }

  #stalled(client: MqttClient, settle: (error: Error) => void): void {
    settle(new Error(`the broker did not acknowledge within ${publishTimeoutMs / 1000} s`));
    // Seen on half-dead routes: connected, and nothing arrives. A new connection finds out.
    client.end(true);
  }

  #closed(client: MqttClient): void {
    if (client !== this.#client) return;
    client.end(true);
    this.#lost();
    if (this.#stopped) return;
    const { random = Math.random } = this.options;
    const ceiling = Math.min(lastRetryMs, firstRetryMs * 2 ** this.#attempts++);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), random() * ceiling);
  }

  #lost(): void {
    this.#connected = false;
    for (const settle of this.#pending) settle(new Error('the connection to the broker was lost'));
  }
}

/**
 * MQTT 3.1.1, nothing kept by broker or client, and no reconnect but our own (full jitter). A connection on which nothing comes is
 * asked after `keepalive` seconds and given up after half as long again, which is how long a fleet may be unheard without notice.
 */
export const clientOptions: IClientOptions = {
  protocolVersion: 4,
  clean: true,
  keepalive: 10,
  reconnectPeriod: 0,
  connectTimeout: 10_000,
  queueQoSZero: false,
  resubscribe: false,
};
