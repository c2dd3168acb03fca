import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { BrokerSettings } from '../device-broker.js';

/** What a connection may do, by who it is. */
export type Rights = 'read' | 'write';
type Packet = { topic: string; qos?: number | undefined };
type Connect = { clean?: boolean | undefined; will?: Packet | undefined };

/** Undefined for whoever is not known. Without users everybody who reaches this broker is on this device. */
export async function rightsOf(
  users: BrokerSettings['users'],
  name: string | undefined,
  password: Uint8Array | undefined,
): Promise<Rights | undefined> {
  if (users.length === 0) return 'write';
  const user = users.find((its) => its.name === name);
  if (!user || !password) return undefined;
  const known = (await readFile(user.passwordFile, 'utf8')).trim();
  return known !== '' && isSame(Buffer.from(known), password) ? user.may : undefined;
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const isSame = (one: Uint8Array, other: Uint8Array) => timingSafeEqual(digest(one), digest(other));

/** Null, or why not. */
export function refuseConnect(rights: Rights, { clean, will }: Connect): string | null {
  // What waits for a session that nobody comes back to has no bound.
  if (clean !== true) return 'persistent sessions are not kept here';
  return will ? refusePublish(rights, will) : null;
}

export function refusePublish(rights: Rights, { topic, qos = 0 }: Packet): string | null {
  if (rights !== 'write') return 'this user may read only';
  if (topic.startsWith('$')) return 'topics that begin with $ are the broker’s own';
  return qos > 1 ? 'QoS 2 is not spoken here' : null;
}

export function refuseSubscribe(filter: string): string | null {
  // aedes would grant it and deliver nothing.
  return filter.startsWith('$share/') ? 'shared subscriptions are not known here' : null;
}
