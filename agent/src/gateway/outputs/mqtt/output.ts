import { randomBytes } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import { BrokerPeer } from '../../broker-peer.js';
import type { OpenOutput, Output, OutputParts, OutputStatus, StopReason } from '../output.js';
import { farewell, gatewayRun, readingJson } from '../reading-json.js';
import type { Reading } from '../reading.js';
import type { Cause } from '../slot-port.js';
import { Announcer } from './announcer.js';
import { Bursts } from './bursts.js';
import { Delivery } from './delivery.js';

export const openMqtt: OpenOutput<'mqtt'> = (parts) => new MqttSlotOutput(parts);

const lookMs = 5000;
/** A broker that answers pings but takes nothing for so long is left, and reached again. */
const mostOwedMs = 20_000;

/** One slot on a broker: readings on its topic, what is known of the slot on `<topic>/status`. */
class MqttSlotOutput implements Output {
  readonly #topic: string;
  readonly #delivery = new Delivery();
  readonly #announcer: Announcer | undefined;
  readonly #peer: BrokerPeer;
  #bursts: Bursts | undefined;
  #unsubscribe: (() => void) | undefined;
  #watch: NodeJS.Timeout | undefined;
  #state: Pick<OutputStatus, 'state' | 'reason'> = { state: 'starting' };

  constructor(private readonly parts: OutputParts<'mqtt'>) {
    const { settings, device, log } = parts;
    this.#topic = named(settings.topic, parts);
    this.#announcer = announcerOf(parts, this.#topic);
    this.#peer = new BrokerPeer({
      address: settings,
      session: () => ({
        clientId: `flotilla-${randomBytes(6).toString('hex')}`,
        will: { topic: this.#statusTopic, payload: Buffer.from(this.#offline()), qos: 1, retain: true },
      }),
      onUp: (client) => this.#begin(client),
      onDown: (reason, isRefused) => {
        this.#bursts?.stop();
        this.#delivery.down();
        const is = { state: isRefused ? ('failed' as const) : ('waiting' as const), reason: `${settings.url}: ${reason}` };
        if (is.state !== this.#state.state || is.reason !== this.#state.reason)
          log.warn({ output: 'mqtt', device, slot: this.#port.slot, reason: is.reason }, 'the broker is being reached again');
        this.#state = is;
      },
    });
  }

  get status(): OutputStatus {
    return { ...this.#state, ...this.#delivery.counts };
  }

  start(): void {
    this.#unsubscribe = this.#port.subscribe((reading, cause) => this.#take(reading, cause));
    this.#watch = setInterval(() => {
      if (this.#delivery.owedMs > mostOwedMs) void this.#peer.restart();
    }, lookMs).unref();
    this.#peer.start();
  }

  /** What still waits is sent if it is taken in time; the latest one is left behind as no longer good. */
  async stop(why: StopReason = 'shutdown'): Promise<void> {
    this.#unsubscribe?.();
    clearInterval(this.#watch);
    const reason = why === 'removed' ? 'the output was taken away' : 'the gateway was stopped';
    await this.#peer.stop(async (client) => {
      this.#delivery.add(this.#json(farewell(this.#port.latest, reason)));
      await this.#delivery.drained();
      if (why === 'removed') await this.#announcer?.withdraw(client);
      await client.publishAsync(this.#statusTopic, this.#offline(reason), { qos: 1, retain: true });
    });
    this.#bursts?.stop();
  }

  get #port() {
    return this.parts.slots[0]!.port;
  }

  get #statusTopic() {
    return `${this.#topic}/status`;
  }

  #begin(client: MqttClient): void {
    const { slot } = this.#port;
    this.parts.log.info({ output: 'mqtt', slot, broker: this.parts.settings.url }, 'the broker is reached');
    this.#state = { state: 'running' };
    client.publish(this.#statusTopic, this.#online(), { qos: 1, retain: true });
    this.#announcer?.announce(client);
    // What an earlier run left behind is replaced, whether or not there is something new.
    if (this.#delivery.counts.queued === 0) this.#delivery.add(this.#json(this.#port.latest));
    this.#bursts = new Bursts((json, done) => {
      // The connection is over then, and its messages are sent again on the next.
      if (client !== this.#peer.client) return;
      client.publish(this.#topic, json, { qos: 1, retain: true }, (error) => {
        if (!error) done();
      });
    });
    this.#delivery.up(this.#bursts.carry);
  }

  #take(reading: Reading, cause: Cause): void {
    this.#delivery.add(this.#json(reading));
    const client = this.#peer.client;
    if (!client) return;
    if (cause === 'status') client.publish(this.#statusTopic, this.#online(), { qos: 1, retain: true });
    if (cause === 'result') this.#announcer?.saw(client, reading);
  }

  #json(reading: Reading): string {
    const { device, settings } = this.parts;
    return readingJson(reading, { device, prediction: settings.prediction });
  }

  #online(): string {
    const { state: serving, ...status } = this.#port.status;
    const { id: gateway, since } = gatewayRun;
    return JSON.stringify({ state: 'online', device: this.parts.device, gateway, since, serving, ...status });
  }

  #offline(reason = 'the gateway, or the network to it, is gone'): string {
    const { slot } = this.#port;
    return JSON.stringify({ state: 'offline', device: this.parts.device, slot, gateway: gatewayRun.id, reason });
  }
}

const named = (pattern: string, { device, slots }: OutputParts<'mqtt'>) =>
  pattern.replaceAll('{device}', device).replaceAll('{slot}', slots[0]!.port.slot);

function announcerOf(parts: OutputParts<'mqtt'>, topic: string): Announcer | undefined {
  const { settings, device, slots } = parts;
  const { homeAssistant } = settings;
  if (homeAssistant === false) return undefined;
  const prefix = typeof homeAssistant === 'object' ? named(homeAssistant.prefix, parts) : 'homeassistant';
  return new Announcer({ device, slot: slots[0]!.port.slot, topic, statusTopic: `${topic}/status`, prefix });
}
