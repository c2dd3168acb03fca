import { z } from 'zod';
import { brokerKeys, brokerUrl, segment } from './output-peer.js';

/** Sparkplug B 3.0: this device is an edge node, the slot one of its devices. */
export const SparkplugOutput = z.strictObject({
  ...brokerKeys,
  /** Further brokers, reached in their order and then from the first again, where one is gone or the primary host isn't there. */
  otherUrls: z.array(brokerUrl).min(1).max(8).optional(),
  group: segment,
  /** The device's name, where it is not said. */
  node: segment.optional(),
  /** The slot's name, where it is not said. */
  device: segment.optional(),
  /** The host that data is meant for: without it nothing is born, and values wait until it is online. */
  primaryHost: segment.optional(),
});
export type SparkplugOutput = z.infer<typeof SparkplugOutput>;
