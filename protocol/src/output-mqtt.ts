import { z } from 'zod';
import { brokerKeys, topicPattern } from './output-peer.js';

/** Plain JSON on a broker. */
export const MqttOutput = z.strictObject({
  ...brokerKeys,
  /** Of this slot: values are published on it and the latest is retained; what is known of the slot itself on `<topic>/status`. */
  topic: topicPattern.default('flotilla/{device}/{slot}'),
  /** Whether the whole prediction comes with its headline. */
  prediction: z.boolean().default(true),
  /** Announces the slot to Home Assistant, which finds it by itself; where it looks elsewhere than below `homeassistant`, there. */
  homeAssistant: z.union([z.boolean(), z.strictObject({ prefix: topicPattern })]).default(false),
});
export type MqttOutput = z.infer<typeof MqttOutput>;
