import { answerParent } from '../bench/child.js';
import { modbusPeer, opcUaPeer } from './factory-pollers.js';
import { mqttPeer, sparkplugPeer, webhookPeer } from './factory-listeners.js';
import type { Flood, OpenPeer, PeerKind } from './factory-kinds.js';
import { Seen } from './factory-seen.js';

export type PeerQuestion = { kind: PeerKind; port: number; slot: string } | { tally: true } | { flood: number };

const open: Record<PeerKind, OpenPeer> = {
  mqtt: mqttPeer,
  sparkplug: sparkplugPeer,
  webhook: webhookPeer,
  opcua: opcUaPeer,
  modbus: modbusPeer,
};
const seen = new Seen();
let flood: Flood | undefined;

/** One peer of a factory in a process of its own, so that it can be stopped and killed as such. */
answerParent<PeerQuestion>(async (question) => {
  if ('tally' in question) return seen.tally;
  if ('flood' in question) return flood?.(question.flood);
  flood = await open[question.kind](question.port, seen, question.slot);
  return undefined;
});
