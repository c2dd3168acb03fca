import { DeviceSession } from './device-session.js';
import type { Metric, Payload } from './payload.js';
import type { MetricValue } from './slot-metrics.js';

export type Message = { topic: string; payload: Payload };
export type NodeId = { group: string; node: string };
export const namespace = 'spBv1.0';
export const rebirthMetric = 'Node Control/Rebirth';

type DataOf = { device: DeviceSession; metrics: readonly MetricValue[] };

/**
 * What an edge node of Sparkplug B 3.0 says, in which order and with which numbers. It reaches nobody: whoever sends its messages sends each one,
 * in the order they were made, on the connection that it was told of.
 */
export class NodeSession {
  readonly #devices = new Map<string, DeviceSession>();
  /** The node's own metrics, as a device without a name. */
  readonly #own: DeviceSession;
  #alias = 0;
  #seq = 0;
  #birthNumber = 0;
  #isBorn = false;

  constructor(private readonly id: NodeId) {
    this.#own = this.#session('');
  }

  /** Between births and death: only then there is data. */
  get isBorn(): boolean {
    return this.#isBorn;
  }

  get devices(): ReadonlyMap<string, DeviceSession> {
    return this.#devices;
  }

  topic(verb: string, device?: string): string {
    return [namespace, this.id.group, verb, this.id.node, ...(device === undefined ? [] : [device])].join('/');
  }

  /** A new connection, and what its broker says when it falls. */
  connects(birthNumber: number, at: number): Message {
    this.#isBorn = false;
    this.#birthNumber = birthNumber;
    return this.death(at);
  }

  /** The end of the connection, in good order or not. */
  death(at: number): Message {
    this.#isBorn = false;
    const metrics = [{ name: 'bdSeq', withType: true, datatype: 'Int64', value: this.#birthNumber, at } as const];
    return { topic: this.topic('NDEATH'), payload: { at, metrics } };
  }

  /** The node's, then each device's. */
  births(at: number): Message[] {
    this.#isBorn = true;
    this.#seq = 0;
    const metrics: Metric[] = [
      { name: 'bdSeq', alias: bdSeqAlias, withType: true, datatype: 'Int64', value: this.#birthNumber, at },
      // The specification forbids it an alias.
      { name: rebirthMetric, withType: true, datatype: 'Boolean', value: false, at },
      ...this.#own.birth(),
    ];
    const node = this.#message(this.topic('NBIRTH'), metrics, at);
    return [node, ...[...this.#devices.values()].map((device) => this.birthOf(device, at))];
  }

  birthOf(device: DeviceSession, at: number): Message {
    return this.#message(this.topic('DBIRTH', device.id), device.birth(), at);
  }

  /** A device that comes; it is born with the others, or with `birthOf`. */
  add(id: string): DeviceSession {
    const device = this.#session(id);
    this.#devices.set(id, device);
    return device;
  }

  /** A device that goes; what is said of it, if there is somebody to say it to. */
  remove(device: DeviceSession, at: number): Message | undefined {
    this.#devices.delete(device.id);
    return this.#isBorn ? this.#message(this.topic('DDEATH', device.id), [], at) : undefined;
  }

  data({ device, metrics }: DataOf, at: number): Message {
    return this.#message(this.topic('DDATA', device.id), device.data(metrics), at);
  }

  /** What could not be said when it happened, oldest first. */
  history({ device, metrics }: DataOf, at: number): Message {
    return this.#message(this.topic('DDATA', device.id), device.history(metrics), at);
  }

  /** The node's own: they are all there before its first birth. Undefined where nothing changed, or nobody listens. */
  own(metrics: readonly MetricValue[], at: number): Message | undefined {
    const { changed } = this.#own.take(metrics);
    if (!this.#isBorn || changed.length === 0) return undefined;
    return this.#message(this.topic('NDATA'), this.#own.data(changed), at);
  }

  #message(topic: string, metrics: readonly Metric[], at: number): Message {
    const seq = this.#seq;
    this.#seq = (seq + 1) % 256;
    return { topic, payload: { at, seq, metrics } };
  }

  #session(id: string): DeviceSession {
    return new DeviceSession(id, { next: () => ++this.#alias });
  }
}

const bdSeqAlias = 0;
