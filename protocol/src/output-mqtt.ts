import { z } from 'zod';
import { brokerKeys, text } from './output-peer.js';

/** Plain JSON on a broker. */
export const MqttOutput = z.strictObject({
  ...brokerKeys,
  /** Of this slot; the values are published on it, the latest is retained. */
  topic: text,
});
export type MqttOutput = z.infer<typeof MqttOutput>;
