import { setTimeout as delay } from 'node:timers/promises';
import { FleetProcess } from '../fleet-sim/fleet-process.js';
import { ServerProcess } from '../fleet-sim/server-process.js';
import { brokerOf } from './broker-flag.js';
import type { Bench } from './figure.js';

const slot = 'inspection';
const joinPerS = 150;
const joinWithinMs = 600_000;

/** What simulated devices take once all have joined, with the usual windows and uploads; broker and control plane are other processes. */
export const fleetSim: Bench = {
  about: 'memory and processor of simulated devices in one process (--devices, --seconds, --broker aedes|mosquitto)',
  async run(log, flags) {
    const devices = flags.count('devices', 10_000);
    const seconds = flags.count('seconds', 60);
    const server = new ServerProcess();
    const fleet = new FleetProcess();
    try {
      const identity = await server.start(brokerOf(flags), devices);
      await server.release('1.0.0');
      await fleet.make(identity);
      await fleet.join(joinPerS, joinWithinMs);
      await server.assign('product-classifier@1.0.0', slot);
      log(`${devices} devices have joined; looking for ${seconds} s`);
      await delay(15_000); // past the burst of the assignment
      const before = await fleet.use();
      await delay(1000 * seconds);
      const after = await fleet.use();
      const { welcomed, connects, falls } = await fleet.counts();
      for (const [why, times] of Object.entries(falls)) log(`  ${times} links fell or were not made: ${why}`);
      return {
        devices: { value: welcomed, unit: 'count', reach: '10000' },
        rss_mb: { value: after.rssMb, unit: 'MB', reach: '<= 1800' },
        cpu_cores: { value: (after.cpuS - before.cpuS) / seconds, unit: 'cores', reach: '<= 1' },
        reconnects: { value: connects - devices, unit: 'count' },
      };
    } finally {
      await fleet.end();
      await server.stop();
    }
  },
};
