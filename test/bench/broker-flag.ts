import type { BrokerKind } from '../fleet-sim/simulation-server.js';
import type { Flags } from './flags.js';

export function brokerOf(flags: Flags): BrokerKind {
  const given = flags.value('broker') ?? 'aedes';
  if (given === 'aedes' || given === 'mosquitto') return given;
  throw new Error(`--broker is "${given}", expected aedes or mosquitto`);
}
