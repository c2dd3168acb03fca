import type { MqttClient } from 'mqtt';
import type { Reading } from '../reading.js';
import { type AnnouncedSlot, type Announcement, slotSensors, valueSensors, withdrawn } from './home-assistant.js';

/** A release that names its values anew each time would fill the broker. */
const mostSensors = 128;

/** Keeps a slot announced to Home Assistant: on each connection, and when a value of a new name is seen. */
export class Announcer {
  /** By topic. */
  readonly #announced = new Map<string, Announcement>();
  /** Names seen last: the same list again needs no look. */
  #names = '';

  constructor(private readonly slot: AnnouncedSlot) {
    for (const sensor of slotSensors(slot)) this.#announced.set(sensor.topic, sensor);
  }

  announce(client: MqttClient): void {
    for (const announcement of this.#announced.values()) publish(client, announcement);
  }

  saw(client: MqttClient, { result }: Reading): void {
    const values = result?.headline.values ?? [];
    const names = values.map(({ name }) => name).join('\n');
    if (names === this.#names) return;
    this.#names = names;
    for (const sensor of valueSensors(this.slot, values)) {
      const isKnown = this.#announced.get(sensor.topic)?.payload === sensor.payload;
      if (isKnown || this.#announced.size >= mostSensors) continue;
      this.#announced.set(sensor.topic, sensor);
      publish(client, sensor);
    }
  }

  async withdraw(client: MqttClient): Promise<void> {
    const all = withdrawn(this.#announced.keys());
    await Promise.all(all.map(({ topic, payload }) => client.publishAsync(topic, payload, { qos: 1, retain: true })));
  }
}

const publish = (client: MqttClient, { topic, payload }: Announcement) =>
  client.publish(topic, payload, { qos: 1, retain: true });
