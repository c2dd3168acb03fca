import { randomUUID } from 'node:crypto';
import type { TriggerConfig } from '@flotilla/protocol/device';
import type { MqttClient } from 'mqtt';
import type { Handshake } from '../core/inspection.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { BrokerPeer } from './broker-peer.js';
import { type Inspection, InspectionRefused, type Inspections } from './inspections.js';
import { InspectionId } from './inspection-id.js';
import { handshakeView, inspectionView } from './inspection-view.js';

type Mqtt = NonNullable<TriggerConfig['mqtt']>;
type Parts = { config: Mqtt; inspections: Inspections; log: Logger; slot: string };

const offline = JSON.stringify({ state: 'offline' });
const mostBytes = 4096;

/**
 * The trigger over a broker: a message on `topic` is a command, on `topic/acknowledge` an acknowledgement; the handshake is kept on
 * `topic/state`, and each end is told on `topic/result`. Retained commands are passed over: nobody knows how old they are.
 */
export class MqttTrigger {
  readonly #peer: BrokerPeer;
  readonly #unsubscribe: () => void;

  constructor(private readonly parts: Parts) {
    this.#unsubscribe = parts.inspections.subscribe((handshake, inspection) => this.#tell(handshake, inspection));
    const { config, log, slot } = parts;
    this.#peer = new BrokerPeer({
      address: config,
      session: () => ({
        will: { topic: `${config.topic}/state`, payload: Buffer.from(offline), qos: 1, retain: true },
      }),
      onUp: (client) => void this.#begin(client),
      onDown: (reason) => log.warn({ slot, reason }, 'the trigger can not reach its broker; it is being reached again'),
      onMessage: (topic, payload, retained) => {
        if (!retained) this.#take(topic, payload);
      },
    });
  }

  start(): void {
    this.#peer.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    const { topic } = this.parts.config;
    await this.#peer.stop((client) => client.publishAsync(`${topic}/state`, offline, { qos: 1, retain: true }));
  }

  async #begin(client: MqttClient): Promise<void> {
    const { config, inspections, log, slot } = this.parts;
    try {
      await client.subscribeAsync([config.topic, `${config.topic}/acknowledge`], { qos: 1 });
      this.#publish('state', handshakeView(inspections.handshake), true);
    } catch (error) {
      log.error({ slot, topic: config.topic, reason: messageOf(error) }, 'the broker refuses the trigger its topics');
    }
  }

  #take(topic: string, payload: Buffer): void {
    const { config, inspections } = this.parts;
    const id = idIn(payload);
    if (id === undefined) {
      const reason = 'a command is a JSON object with an "id", or the id alone: up to 128 letters, digits and . : _ -';
      return this.#publish('result', { state: 'refused', reason }, false);
    }
    try {
      if (topic === config.topic) this.#command(id || randomUUID());
      else inspections.acknowledge(id);
    } catch (error) {
      if (!(error instanceof InspectionRefused)) throw error;
      this.#publish('result', { id, state: 'refused', reason: error.message }, false);
    }
  }

  /** QoS 1 brings a command twice now and then; the answer to the second is the first one's. */
  #command(id: string): void {
    const { inspections } = this.parts;
    const known = inspections.find(id);
    if (known && known.state !== 'busy') return this.#publish('result', inspectionView(known), false);
    inspections.command(id);
  }

  /** That a capture was taken is no change of what is shown. */
  #tell(handshake: Handshake, inspection: Inspection | undefined): void {
    if (handshake.state !== 'busy' || handshake.capturing) this.#publish('state', handshakeView(handshake), true);
    if (inspection && (handshake.state === 'done' || handshake.state === 'error'))
      this.#publish('result', inspectionView(inspection), false);
  }

  /** Without a broker nobody is told; who comes back asks for the inspection by its id again. */
  #publish(what: 'state' | 'result', body: object, retain: boolean): void {
    const client = this.#peer.client;
    if (!client) return;
    const { config, log, slot } = this.parts;
    client.publish(`${config.topic}/${what}`, JSON.stringify(body), { qos: 1, retain }, (error) => {
      if (error) log.debug({ slot, reason: error.message }, 'the broker did not take it');
    });
  }
}

/** Empty for a command without one; undefined for what is none. */
function idIn(payload: Buffer): string | undefined {
  if (payload.byteLength > mostBytes) return undefined;
  const text = payload.toString('utf8').trim();
  if (text === '') return '';
  const id = text.startsWith('{') ? idInJson(text) : text;
  return id === '' ? '' : InspectionId.safeParse(id).data;
}

function idInJson(text: string): unknown {
  try {
    return (JSON.parse(text) as { id?: unknown }).id ?? '';
  } catch {
    return undefined;
  }
}
