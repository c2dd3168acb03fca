import type { Seen } from './factory-seen.js';

/** A peer for each output. */
export const peerKinds = ['mqtt', 'sparkplug', 'webhook', 'opcua', 'modbus'] as const;
export type PeerKind = (typeof peerKinds)[number];

/** Sends as much as it can for so long. */
export type Flood = (ms: number) => Promise<void>;
export type OpenPeer = (port: number, seen: Seen, slot: string) => Promise<Flood | undefined>;
