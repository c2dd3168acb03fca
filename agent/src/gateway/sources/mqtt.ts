import { readFile } from 'node:fs/promises';
import type { MqttSource } from '@flotilla/protocol/device';
import { connect, type IClientOptions, type MqttClient, type StreamBuilder } from 'mqtt';
import { messageOf } from '../../errors.js';
import type { Sink, SourceContext } from '../source.js';
import { guarded } from './mqtt-guard.js';
import { MqttMessages } from './mqtt-messages.js';
import { brokerSession, keepSession } from './mqtt-session.js';
import { PersistentSource, type Session, type SessionEnd, SourceTrouble } from './persistent.js';

const backoff = { baseMs: 500, capMs: 30_000 };
const keepAliveS = 30;
const connectTimeoutMs = 10_000;
/** CONNACK's codes that no patience mends: a bad name, password or permission. */
const refusals: readonly unknown[] = [1, 2, 4, 5];
const refusedSubscription = 128;

/** Messages of a broker. At QoS 1 each is acknowledged when its result is out, and the broker keeps what comes meanwhile; at QoS 0 the newest counts. */
export class BrokerSource extends PersistentSource {
  constructor(config: MqttSource, context: SourceContext) {
    let messages: MqttMessages | undefined;
    super((session) => oneConnection(config, context, (messages ??= new MqttMessages(session.sink)), session), backoff);
  }
}

async function oneConnection(
  config: MqttSource,
  { folder }: SourceContext,
  messages: MqttMessages,
  { sink, signal, came }: Session,
): Promise<SessionEnd> {
  const { mqtt: url, topic } = config;
  const { clientId, stale } = await brokerSession(folder, { url, topic, clientId: config.clientId });
  const options = await optionsOf(config, clientId);
  if (stale) await forget(options, config, signal);
  await keepSession(folder, { clientId, url, topic });
  const link = new Link(config, { ...options, clean: config.qos === 0 }, sink);
  link.onMessage(messages);
  await link.untilOver(signal, async (client, isKnown) => {
    // What the broker kept for it comes before the answer to the subscription.
    if (isKnown) sink.state({ state: 'running' });
    await subscribe(client, config);
    came();
    sink.state({ state: 'running' });
  });
  return 'over';
}

/** What the broker kept for the name under another topic would come for ever. */
async function forget(options: IClientOptions, config: MqttSource, signal: AbortSignal): Promise<void> {
  const link = new Link(config, { ...options, clean: true });
  let isForgotten = false;
  const end = async (client: MqttClient) => {
    isForgotten = true;
    await client.endAsync();
  };
  await link.untilOver(signal, end).catch((error: unknown) => {
    if (!isForgotten) throw error;
  });
}

async function subscribe(client: MqttClient, { topic, qos }: MqttSource): Promise<void> {
  const granted = await client.subscribeAsync(topic, { qos });
  if (granted.some(({ qos: given }) => given === refusedSubscription))
    throw new SourceTrouble('failed', `the broker refuses the subscription to ${topic}`);
}

/** Read anew for each connection: certificates and passwords are renewed. */
async function optionsOf(config: MqttSource, clientId: string): Promise<IClientOptions> {
  const { username, passwordFile, caFile, certFile, keyFile } = config;
  const [password, ca, cert, key] = await Promise.all([passwordFile, caFile, certFile, keyFile].map(contentsOf));
  return {
    clientId,
    ...(username === undefined ? {} : { username }),
    ...(password ? { password: password.toString('utf8').trim() } : {}),
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    protocolVersion: 4,
    keepalive: keepAliveS,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    writeCache: false,
    manualConnect: true,
  };
}

async function contentsOf(path: string | undefined): Promise<Buffer | undefined> {
  try {
    return path === undefined ? undefined : await readFile(path);
  } catch (error) {
    throw new SourceTrouble('failed', `${path} can not be read: ${messageOf(error)}`);
  }
}

/** One client for one connection, so that no queue of its own outlives it. */
class Link {
  readonly #client: MqttClient;
  readonly #over = new AbortController();
  #reason: SourceTrouble;

  constructor(
    private readonly config: MqttSource,
    options: IClientOptions,
    sink?: Sink,
  ) {
    const { mqtt: url, maxMb } = config;
    this.#reason = new SourceTrouble('waiting', `${url} ended the connection; it is being reached again`);
    this.#client = connect(url, options);
    const build: StreamBuilder = this.#client['streamBuilder'];
    this.#client['streamBuilder'] = (client: MqttClient) =>
      guarded(build(client), maxMb * 1024 * 1024, ({ topic, bytes }) =>
        sink?.lost({ name: topic, reason: `a message on ${topic} has ${bytes} bytes, more than maxMb allows` }),
      );
    this.#client.on('error', (error) => this.#giveUp(error));
    this.#client.once('close', () => this.#over.abort());
  }

  onMessage(messages: MqttMessages): void {
    const client = this.#client;
    client.handleMessage = (packet, done) => {
      const waits = () => {
        // While a message waits its parser reads nothing, not even the answers to pings.
        client.reschedulePing(true);
        client.sendPing();
      };
      messages.take(packet, this.#over.signal, waits).then(
        (acknowledge) => acknowledge && done(),
        (error: unknown) => this.#giveUp(error),
      );
    };
  }

  /** Throws SourceTrouble when it is over for another reason than `signal`. */
  async untilOver(signal: AbortSignal, connected: (client: MqttClient, isKnown: boolean) => Promise<void>): Promise<void> {
    const stop = () => {
      this.#client.end(true);
      this.#over.abort();
    };
    signal.addEventListener('abort', stop);
    const over = new Promise((resolve) => this.#over.signal.addEventListener('abort', resolve));
    this.#client.once('connect', ({ sessionPresent }) => {
      connected(this.#client, sessionPresent).catch((error: unknown) => this.#giveUp(error));
    });
    try {
      if (signal.aborted) return;
      this.#client.connect();
      await over;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#client.end(true);
    }
    if (!signal.aborted) throw this.#reason;
  }

  #giveUp(error: unknown): void {
    // What follows the first trouble is its consequence.
    if (this.#over.signal.aborted) return;
    const { mqtt: url } = this.config;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reason = messageOf(error) || String(code);
    if (error instanceof SourceTrouble) this.#reason = error;
    else this.#reason = new SourceTrouble(refusals.includes(code) ? 'failed' : 'waiting', `${url} can not be read: ${reason}`);
    // MQTT.js leaves a refused connection open.
    this.#client.end(true);
    this.#over.abort();
  }
}
