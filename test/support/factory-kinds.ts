/** A peer for each output. */
export const peerKinds = ['mqtt', 'sparkplug', 'webhook', 'opcua', 'modbus'] as const;
export type PeerKind = (typeof peerKinds)[number];
