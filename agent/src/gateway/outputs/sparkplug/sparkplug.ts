import type { SparkplugOutput as Settings } from '@flotilla/protocol/device';
import type { MqttClient } from 'mqtt';
import { messageOf } from '../../../errors.js';
import { BrokerPeer } from '../../broker-peer.js';
import type { OpenOutput, Output, OutputParts, OutputSlot, OutputStatus } from '../output.js';
import { BirthNumber } from './birth-number.js';
import { readCommand } from './command.js';
import { Devices } from './devices.js';
import { EdgeNode } from './edge-node.js';
import { firstHostState, type HostState, hostOnNewConnection, hostSaid } from './host-state.js';
import { JointWrites } from './joint-writes.js';
import { type Message, namespace, rebirthMetric } from './node-session.js';
import { encodePayload } from './payload.js';
import type { MetricValue } from './slot-metrics.js';

type State = Pick<OutputStatus, 'state' | 'reason'>;
type Parts = OutputParts<'sparkplug'>;

export const openSparkplug: OpenOutput<'sparkplug'> = (parts) => new SparkplugOutput(parts);

/** This device as an edge node of Sparkplug B 3.0, its slots as the node's devices. */
class SparkplugOutput implements Output<'sparkplug'> {
  readonly #peer: BrokerPeer;
  readonly #node: EdgeNode;
  readonly #devices: Devices;
  readonly #birthNumber: BirthNumber;
  readonly #started = Date.now();
  /** Of the broker that it is at; its words at the others are kept, for their times. */
  #host: HostState = firstHostState;
  readonly #hosts = new Map<string, HostState>();
  /** Whose topics are subscribed: it may be born when its host is there. */
  #ready: MqttClient | undefined;
  #readyAt = 0;
  #isLeaving = false;
  #state: State = { state: 'starting' };
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: Parts) {
    const { settings, slots, device, folder } = parts;
    this.#birthNumber = new BirthNumber(folder);
    this.#node = new EdgeNode({ group: settings.group, node: nodeOf(settings, device) });
    this.#node.own(this.#ownMetrics());
    this.#devices = new Devices(this.#node);
    this.#devices.serve(slots);
    this.#peer = new BrokerPeer({
      address: settings,
      session: () => ({ will: willOf(this.#node.session.connects(this.#birthNumber.next(), Date.now())) }),
      onUp: (client) => void this.#subscribe(client),
      onDown: (reason, isRefused) => this.#down(reason, isRefused),
      onMessage: (topic, payload, isRetained) => this.#take(topic, payload, isRetained),
    });
  }

  get status(): OutputStatus {
    const { sent, waiting, dropped } = this.#node.ledger;
    return { ...this.#state, sent, queued: waiting, dropped };
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), 1000);
    this.#peer.start();
  }

  serve(slots: readonly OutputSlot<'sparkplug'>[]): void {
    const before = this.#topics();
    this.#devices.serve(slots);
    const after = this.#topics();
    const client = this.#ready;
    if (!client) return;
    const unheard = (error?: Error | null) => {
      if (error) this.parts.log.warn({ output: 'sparkplug', reason: error.message }, 'the broker did not take a subscription');
    };
    const [coming, going] = [minus(after, before), minus(before, after)];
    if (coming.length > 0) client.subscribe(coming, { qos: 1 }, unheard);
    if (going.length > 0) client.unsubscribe(going, unheard);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#devices.close();
    await this.#peer.stop((client) => this.#sayDeath(client));
  }

  async #subscribe(client: MqttClient): Promise<void> {
    const { ledger } = this.#node;
    client.on('packetsend', ({ cmd }) => cmd === 'pingreq' && ledger.pinged());
    client.on('packetreceive', ({ cmd }) => cmd === 'pingresp' && ledger.proven());
    this.#host = hostOnNewConnection(this.#hosts.get(this.#peer.url) ?? firstHostState);
    try {
      await client.subscribeAsync(this.#topics(), { qos: 1 });
      this.#ready = client;
      this.#readyAt = Date.now();
      this.#beginIfWanted();
    } catch (error) {
      if (!client.connected) return;
      this.#tell({ state: 'failed', reason: `the broker refuses the topics of an edge node: ${messageOf(error)}` });
    }
  }

  #topics(): string[] {
    const { session } = this.#node;
    const { primaryHost } = this.parts.settings;
    return [
      session.topic('NCMD'),
      ...[...session.devices.keys()].map((id) => session.topic('DCMD', id)),
      ...(primaryHost === undefined ? [] : [stateTopic(primaryHost)]),
    ];
  }

  #beginIfWanted(): void {
    const client = this.#ready;
    if (!client?.connected || this.#node.session.isBorn) return;
    if (this.parts.settings.primaryHost !== undefined && this.#host.is !== 'online') return this.#waitForHost();
    const joint = new JointWrites(client.stream);
    this.#node.begin((message, onRoom) => {
      joint.next();
      publish(client, message, onRoom);
    });
    this.#peer.settle();
    this.#tell({ state: 'running' });
  }

  #waitForHost(): void {
    const is = this.#host.is === 'offline' ? 'is offline' : 'has not said yet whether it is online';
    this.#tell({ state: 'waiting', reason: `the primary host "${this.parts.settings.primaryHost}" ${is}` });
  }

  #down(reason: string, isRefused: boolean): void {
    const hasLeft = this.#isLeaving;
    this.#isLeaving = false;
    this.#ready = undefined;
    this.#node.end();
    if (!hasLeft) this.#tell({ state: isRefused ? 'failed' : 'waiting', reason: `${this.#peer.url}: ${reason}` });
  }

  #take(topic: string, payload: Buffer, isRetained: boolean): void {
    const { primaryHost } = this.parts.settings;
    if (primaryHost !== undefined && topic === stateTopic(primaryHost)) return this.#hear(primaryHost, payload);
    // Nobody knows how old a command is that the broker kept.
    if (isRetained) return;
    try {
      this.#command(topic, payload);
    } catch (error) {
      this.parts.log.debug({ topic, reason: messageOf(error) }, 'a Sparkplug command can not be read');
    }
  }

  #command(topic: string, payload: Buffer): void {
    const { session } = this.#node;
    const written = readCommand(payload);
    if (topic !== session.topic('NCMD')) return this.#devices.command(topic, written);
    if (written.some(({ name, value }) => name === rebirthMetric && value === true)) this.#node.bearAgain();
  }

  #hear(primaryHost: string, payload: Buffer): void {
    if (this.#isLeaving) return;
    const said = hostSaid(this.#host, payload);
    if ('ignored' in said) {
      this.parts.log.warn({ primaryHost }, `a STATE message is passed over: it ${said.ignored}`);
      return;
    }
    this.#host = said;
    this.#hosts.set(this.#peer.url, said);
    if (said.is === 'online') return this.#beginIfWanted();
    this.#waitForHost();
    if (this.#node.session.isBorn || this.#peer.hasOthers) this.#leave();
  }

  #leave(): void {
    this.#isLeaving = true;
    this.#ready = undefined;
    void this.#peer.move((client) => this.#sayDeath(client));
    this.#node.end();
  }

  /** A broker that came without what it kept, or to which the host never came: it may be at another one. */
  #leaveWhoSaysNothing(): void {
    const isSilent = this.#ready !== undefined && !this.#node.session.isBorn && this.#host.is === 'unknown';
    if (isSilent && this.#peer.hasOthers && Date.now() - this.#readyAt > longestSilenceMs) this.#leave();
  }

  async #sayDeath(client: MqttClient): Promise<void> {
    const { topic, payload } = this.#node.session.death(Date.now());
    await client.publishAsync(topic, encodePayload(payload), { qos: 1, retain: false });
    // In good order: the broker forgets the will.
    await client.endAsync();
  }

  #tick(): void {
    this.#devices.tick();
    this.#node.own(this.#ownMetrics());
    this.#node.tick();
    this.#leaveWhoSaysNothing();
    const { ledger } = this.#node;
    if (this.#node.session.isBorn && ledger.unproven > 0 && !ledger.isProving) this.#peer.client?.sendPing();
  }

  #ownMetrics(): MetricValue[] {
    const { dropped } = this.#node.ledger;
    return [
      { name: 'Properties/Device', datatype: 'String', value: this.parts.device, at: this.#started },
      { name: 'Properties/Started', datatype: 'DateTime', value: this.#started, at: this.#started },
      { name: 'Output/Dropped', datatype: 'Int64', value: dropped, at: Date.now() },
    ];
  }

  #tell(state: State): void {
    const { state: before, reason } = this.#state;
    this.#state = state;
    if (before === state.state && reason === state.reason) return;
    const fields = { output: 'sparkplug', ...state };
    if (state.state === 'running') this.parts.log.info(fields, 'the edge node is born');
    else this.parts.log.warn(fields, 'the edge node is not online; values wait for it');
  }
}

/** A broker says what it has kept at once. */
const longestSilenceMs = 3000;

const minus = (some: readonly string[], others: readonly string[]) => some.filter((one) => !others.includes(one));

const stateTopic = (host: string) => `${namespace}/STATE/${host}`;

const willOf = ({ topic, payload }: Message) => ({ topic, payload: encodePayload(payload), qos: 1 as const, retain: false });

const publish = (client: MqttClient, { topic, payload }: Message, onRoom: () => void) =>
  client.publish(topic, encodePayload(payload), { qos: 0, retain: false }, onRoom);

function nodeOf({ node }: Settings, device: string): string {
  if (node !== undefined) return node;
  if (/^[^+#/]{1,128}$/.test(device)) return device;
  throw new Error(
    `the device's name "${device}" can't name an edge node ("+", "#" and "/" are not allowed): say "node" in its sparkplug output`,
  );
}
