import { brokerOf } from '../bench/broker-flag.js';
import { Flags } from '../bench/flags.js';
import type { Case, FaultSuite } from './fault-suite.js';
import { tried, type Fault } from './telemetry/case.js';
import { backlogFault } from './telemetry/backlog.js';
import { diskFaults } from './telemetry/disks.js';
import { killCases } from './telemetry/kills.js';
import { networkFaults } from './telemetry/network.js';
import { outboxFaults } from './telemetry/outbox-files.js';
import { replicaFault } from './telemetry/replicas.js';
import { restoreFault } from './telemetry/restore.js';
import type { RigOptions } from './telemetry/rig.js';
import { silenceFaults } from './telemetry/silence.js';

const devices = 30;
const faults: readonly Fault[] = [
  ...outboxFaults,
  ...networkFaults,
  ...silenceFaults,
  ...diskFaults(),
  restoreFault,
  replicaFault,
  backlogFault(),
];

/** What a device has measured arrives once, whatever dies on the way. */
export const telemetry: FaultSuite = {
  about: 'records of simulated devices counted after each fault [--broker aedes|mosquitto] [--only WORD,…]',
  run: async (log, wanted) => {
    const usual: RigOptions = { broker: brokerOf(new Flags(process.argv)), devices };
    const cases: Case[] = [];
    const tell = (made: Case) => {
      cases.push({ ...made, name: `${made.name} (${usual.broker})` });
      log(`${made.ok ? 'ok' : 'FAILED'} ${made.name}: ${made.detail}`);
    };
    await killCases(usual, wanted, tell);
    for (const fault of faults.filter(({ name }) => wanted(name))) tell(await tried(fault, usual));
    return cases;
  },
};
