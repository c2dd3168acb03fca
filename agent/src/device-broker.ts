import { resolve } from 'node:path';
import { z } from 'zod';
import { isLoopback } from './exposure.js';

const User = z.strictObject({
  name: z.string().min(1).max(64),
  /** Read at each connection: a password may be changed while it runs. */
  passwordFile: z.string().min(1),
  /** `read`: it subscribes, and publishes nothing. */
  may: z.enum(['read', 'write']).default('read'),
});

/** An MQTT broker on the device, for places that have none. Paths of PEM files. */
export const brokerFile = <T extends { host: string; port: number }>(address: z.ZodType<T, string>) =>
  z
    .strictObject({
      listen: address.prefault('127.0.0.1:1883'),
      tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).optional(),
      /** Without any, whoever is on this device may read and write. */
      users: z.array(User).max(64).default([]),
      maxClients: z.int().min(1).max(256).default(32),
    })
    .refine(({ listen, users }) => users.length > 0 || isLoopback(listen.host), {
      error:
        'can be reached from the network, and lets everybody in: name users (users: [{ name, passwordFile, may }]), or listen on 127.0.0.1',
    })
    .refine(({ users }) => new Set(users.map(({ name }) => name)).size === users.length, {
      error: 'names a user twice',
      path: ['users'],
    });

export const BrokerSettings = z.object({
  listen: z.object({ host: z.string(), port: z.number() }),
  tls: z.object({ certFile: z.string(), keyFile: z.string() }).optional(),
  users: z.array(User),
  maxClients: z.number(),
});
export type BrokerSettings = z.infer<typeof BrokerSettings>;

/** Relative paths are seen from the folder of the file that they stand in. */
export const brokerFrom = (folder: string, { tls, users, ...broker }: BrokerSettings): BrokerSettings => ({
  ...broker,
  users: users.map((user) => ({ ...user, passwordFile: resolve(folder, user.passwordFile) })),
  ...(tls ? { tls: { certFile: resolve(folder, tls.certFile), keyFile: resolve(folder, tls.keyFile) } } : {}),
});

/** What the supervisor says to the broker's process; the end of the channel is the order to go. */
export const ToBroker = z.object({ type: z.literal('listen'), settings: BrokerSettings });
export type ToBroker = z.infer<typeof ToBroker>;
export const FromBroker = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening') }),
  z.object({ type: z.literal('failed'), reason: z.string() }),
  /** Each second. `refused`: refusals and drops since the last one, by reason. */
  z.object({ type: z.literal('heartbeat'), rssBytes: z.number(), refused: z.record(z.string(), z.number()) }),
]);
export type FromBroker = z.infer<typeof FromBroker>;
