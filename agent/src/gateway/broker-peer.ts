import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { backoffMs } from '../core/backoff.js';
import { messageOf } from '../errors.js';
import { contentsOf } from './credential-file.js';
import { InboundPace } from './inbound-pace.js';

/** How a broker is reached; files are read anew for each connection, since certificates and passwords are renewed. */
type BrokerAddress = {
  url: string;
  /** Tried in their order, and then from the first again, each time that one is lost or left. */
  otherUrls?: readonly string[] | undefined;
  username?: string | undefined;
  passwordFile?: string | undefined;
  caFile?: string | undefined;
  certFile?: string | undefined;
  keyFile?: string | undefined;
};
type BrokerPeerOptions = {
  address: BrokerAddress;
  /** Of one connection: will, client id; made anew for each. */
  session: () => Partial<IClientOptions>;
  onUp: (client: MqttClient) => void;
  /** Once for each connection that was up, and for each that could not be made; `isRefused`: no patience mends it. */
  onDown: (reason: string, isRefused: boolean) => void;
  onMessage?: (topic: string, payload: Buffer, retained: boolean) => void;
  random?: () => number;
};

/** What is said on a connection that ends, if there is one, in place of the will. Within two seconds. */
type Goodbye = (client: MqttClient) => Promise<unknown>;

const restarts = { baseMs: 500, capMs: 30_000 };
/** CONNACK's codes for a bad name, password or permission. */
const refusals: readonly unknown[] = [1, 2, 4, 5];
const usual: IClientOptions = {
  protocolVersion: 4,
  clean: true,
  keepalive: 15,
  connectTimeout: 10_000,
  // A connection of its own each time: no queue of the client's outlives one, and each has its own will.
  reconnectPeriod: 0,
  resubscribe: false,
  queueQoSZero: false,
};

/** A broker that is reached again for as long as it takes. */
export class BrokerPeer {
  #client: MqttClient | undefined;
  #again: NodeJS.Timeout | undefined;
  #attempts = 0;
  #place = 0;
  /** Left in a row for another, with nothing said there. */
  #moves = 0;
  #closed = false;

  constructor(private readonly options: BrokerPeerOptions) {}

  /** Undefined while there is no connection. */
  get client(): MqttClient | undefined {
    return this.#client?.connected ? this.#client : undefined;
  }

  /** Where it is, or is going. */
  get url(): string {
    const urls = this.#urls;
    return urls[this.#place % urls.length]!;
  }

  get hasOthers(): boolean {
    return this.#urls.length > 1;
  }

  start(): void {
    void this.#connect();
  }

  /** This broker is the right one: whoever leaves it looks for another without a pause. */
  settle(): void {
    this.#moves = 0;
  }

  /** Leaves for the next one, with growing pauses while none is the right one. */
  move(goodbye: Goodbye): Promise<void> {
    this.#moves += 1;
    return this.#part(goodbye);
  }

  /** Ends the connection and reaches the broker anew, as after any end. */
  restart(goodbye?: Goodbye): Promise<void> {
    return this.#part(goodbye);
  }

  async stop(goodbye?: Goodbye): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#part(goodbye);
  }

  async #part(goodbye: Goodbye | undefined): Promise<void> {
    const parting = this.#client;
    const client = this.client;
    if (client && goodbye) await Promise.race([leave(client, goodbye).catch(() => {}), lapse(partingMs)]);
    parting?.end(true);
  }

  async #connect(): Promise<void> {
    let client: MqttClient;
    try {
      const options = { ...usual, ...(await credentialsOf(this.options.address)), ...this.options.session() };
      if (this.#closed) return;
      client = connect(this.url, options);
    } catch (error) {
      return this.#lost(messageOf(error), true);
    }
    this.#client = client;
    let reason = 'the broker ended the connection';
    let isRefused = false;
    const pace = new InboundPace();
    client.handleMessage = (_packet, done) => pace.take(done);
    client.on('connect', () => {
      this.#attempts = 0;
      this.options.onUp(client);
    });
    client.on('message', (topic, payload, { retain }) => this.options.onMessage?.(topic, payload, retain));
    client.on('error', (error) => {
      const code = 'code' in error ? error.code : undefined;
      isRefused = refusals.includes(code);
      // Of several addresses for a name that all fail, Node says nothing but the code.
      reason = messageOf(error) || String(code);
      // MQTT.js leaves a refused connection open.
      client.end(true);
    });
    client.once('close', () => {
      client.end(true);
      this.#lost(reason, isRefused);
    });
  }

  #lost(reason: string, isRefused: boolean): void {
    if (this.#closed) return;
    this.options.onDown(reason, isRefused);
    this.#place += 1;
    clearTimeout(this.#again);
    const attempts = Math.max(++this.#attempts, this.#moves);
    this.#again = setTimeout(() => void this.#connect(), backoffMs(attempts, restarts, (this.options.random ?? Math.random)()));
  }

  get #urls(): readonly string[] {
    const { url, otherUrls = [] } = this.options.address;
    return [url, ...otherUrls];
  }
}

/** In order, so that the broker does not say the will of one that has said goodbye itself. */
async function leave(client: MqttClient, goodbye: (client: MqttClient) => Promise<unknown>): Promise<void> {
  await goodbye(client);
  await client.endAsync();
}

const partingMs = 1500;
const lapse = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms).unref());

async function credentialsOf({ username, passwordFile, caFile, certFile, keyFile }: BrokerAddress): Promise<IClientOptions> {
  const [password, ca, cert, key] = await Promise.all([passwordFile, caFile, certFile, keyFile].map(contentsOf));
  return {
    ...(username === undefined ? {} : { username }),
    ...(password ? { password: password.toString('utf8').trim() } : {}),
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  };
}
