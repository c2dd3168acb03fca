import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TriggerConfig } from '@flotilla/protocol';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { backoffMs } from '../core/backoff.js';
import type { Handshake } from '../core/inspection.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { inspectionView } from './api/views.js';
import { type Inspection, InspectionRefused, type Inspections } from './inspections.js';
import { InspectionId } from './inspection-id.js';

type Mqtt = NonNullable<TriggerConfig['mqtt']>;
type Parts = { config: Mqtt; inspections: Inspections; log: Logger; slot: string };

const restarts = { baseMs: 500, capMs: 15_000 };
const mostBytes = 4096;

/**
 * The trigger over a broker: a message on `topic` is a command, on `topic/acknowledge` an acknowledgement; the handshake is kept on
 * `topic/state`, and each end is told on `topic/result`. Retained commands are passed over: nobody knows how old they are.
 */
export class MqttTrigger {
  #client: MqttClient | undefined;
  #again: NodeJS.Timeout | undefined;
  #attempts = 0;
  #closed = false;
  readonly #unsubscribe: () => void;

  constructor(private readonly parts: Parts) {
    this.#unsubscribe = parts.inspections.subscribe((handshake, inspection) => this.#tell(handshake, inspection));
  }

  start(): void {
    this.#connect();
  }

  async stop(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    clearTimeout(this.#again);
    const { topic } = this.parts.config;
    if (this.#client?.connected)
      await this.#client
        .publishAsync(`${topic}/state`, JSON.stringify({ state: 'offline' }), { qos: 1, retain: true })
        .catch(() => {});
    await this.#client?.endAsync(true).catch(() => {});
  }

  #connect(): void {
    const { config, log, slot } = this.parts;
    let options: IClientOptions;
    try {
      options = optionsOf(config);
    } catch (error) {
      log.error({ slot, reason: messageOf(error) }, 'the trigger can not reach its broker');
      return this.#connectAgain();
    }
    const client = (this.#client = connect(config.url, options));
    client.on('connect', () => {
      this.#attempts = 0;
      void this.#begin(client);
    });
    client.on('message', (topic, payload, { retain }) => {
      if (!retain) this.#take(topic, payload);
    });
    client.on('error', (error) => log.warn({ slot, reason: messageOf(error) }, 'the trigger lost its broker'));
    client.on('close', () => {
      client.end(true);
      this.#connectAgain();
    });
  }

  #connectAgain(): void {
    clearTimeout(this.#again);
    if (this.#closed) return;
    this.#again = setTimeout(() => this.#connect(), backoffMs(++this.#attempts, restarts, Math.random()));
  }

  async #begin(client: MqttClient): Promise<void> {
    const { config, inspections, log, slot } = this.parts;
    try {
      await client.subscribeAsync([config.topic, `${config.topic}/acknowledge`], { qos: 1 });
      this.#publish('state', stateView(inspections.handshake), true);
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
    if (handshake.state !== 'busy' || handshake.capturing) this.#publish('state', stateView(handshake), true);
    if (inspection && (handshake.state === 'done' || handshake.state === 'error'))
      this.#publish('result', inspectionView(inspection), false);
  }

  /** Without a broker nobody is told; who comes back asks for the inspection by its id again. */
  #publish(what: 'state' | 'result', body: object, retain: boolean): void {
    if (!this.#client?.connected) return;
    const { config, log, slot } = this.parts;
    this.#client.publish(`${config.topic}/${what}`, JSON.stringify(body), { qos: 1, retain }, (error) => {
      if (error) log.debug({ slot, reason: error.message }, 'the broker did not take it');
    });
  }
}

const stateView = (handshake: Handshake) => ({
  state: handshake.state,
  sequence: handshake.sequence,
  ...(handshake.state === 'ready' ? {} : { id: handshake.id }),
  ...(handshake.state === 'error' ? { reason: handshake.reason } : {}),
});

function optionsOf({ topic, username, passwordFile, caFile }: Mqtt): IClientOptions {
  return {
    clean: true,
    reconnectPeriod: 0,
    queueQoSZero: false,
    will: { topic: `${topic}/state`, payload: Buffer.from(JSON.stringify({ state: 'offline' })), qos: 1, retain: true },
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: readFileSync(passwordFile, 'utf8').trim() }),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
  };
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
