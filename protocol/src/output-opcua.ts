import { z } from 'zod';
import { host, port, secretFile, text } from './output-peer.js';

const User = z.strictObject({
  name: text,
  /** Read at each login: a password may be changed while it runs. */
  passwordFile: secretFile,
});

/** An OPC UA server, with one object for each slot that names its port. */
export const OpcUaOutput = z
  .strictObject({
    port: port.default(4840),
    host,
    /** The least that is asked of a client; `none` lets in those that neither sign nor encrypt, besides the others. */
    security: z.enum(['sign-and-encrypt', 'sign', 'none']).default('sign-and-encrypt'),
    users: z.array(User).max(64).default([]),
    /** What a client without a user name may do: nothing, read, or call the trigger's methods, too. */
    anonymous: z.enum(['no', 'read', 'trigger']).default('no'),
    /** Application certificates of clients that are trusted, PEM or DER, besides those in the folder `trusted`. */
    clientCertificateFiles: z.array(text).max(64).default([]),
    maxSessions: z.int().min(1).max(100).default(10),
    /** Of the history: an hour, of at most so many readings a slot. */
    historyCount: z.int().min(0).max(100_000).default(10_000),
    /** Of this slot: severities of the events that tell of a class (1 to 1000). */
    severities: z.record(z.string().min(1).max(256), z.int().min(1).max(1000)).default({}),
  })
  .refine(({ users, anonymous }) => users.length > 0 || anonymous !== 'no', {
    error: 'lets nobody in: name users (users: [{ name, passwordFile }]), or say anonymous: read',
  })
  .refine(({ users }) => new Set(users.map(({ name }) => name)).size === users.length, {
    error: 'names a user twice',
    path: ['users'],
  });
export type OpcUaOutput = z.infer<typeof OpcUaOutput>;
