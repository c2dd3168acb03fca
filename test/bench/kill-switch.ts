import { FleetProcess } from '../fleet-sim/fleet-process.js';
import { ServerProcess } from '../fleet-sim/server-process.js';
import { brokerOf } from './broker-flag.js';
import type { Bench, Figure } from './figure.js';
import { quantile } from './statistics.js';

const slot = 'inspection';
const joinPerS = 150;
const reportWithinMs = 30_000;

/** A release is killed on a connected fleet that has committed an older one before. */
export const killSwitch: Bench = {
  about:
    "from the kill to each device's report that it runs its last good release (--devices, --rounds, --broker aedes|mosquitto)",
  async run(log, flags) {
    const devices = flags.count('devices', 2000);
    const rounds = flags.count('rounds', 3);
    const server = new ServerProcess();
    const fleet = new FleetProcess();
    try {
      // Nothing but the kill is under way.
      const identity = await server.start(brokerOf(flags), devices, { device: { windowS: 3600, uploadS: 3600, heartbeatS: 60 } });
      await fleet.make(identity, { records: false });
      await fleet.join(joinPerS, 120_000);
      const good = await server.release('1.0.0');
      await rolledOut(server, fleet, '1.0.0', good);
      log(`${devices} devices are connected and have committed 1.0.0`);
      const times: number[] = [];
      let missed = 0;
      for (let round = 1; round <= rounds; round++) {
        const version = `1.${round}.0`;
        await rolledOut(server, fleet, version, await server.release(version));
        const killed = await kill(server, fleet, version, good);
        times.push(...killed.ms);
        missed += killed.missed;
        log(`  round ${round}: p50 ${quantile(killed.ms, 0.5).toFixed(0)} ms, p99 ${quantile(killed.ms, 0.99).toFixed(0)} ms`);
      }
      return figures(devices, times, missed);
    } finally {
      await fleet.end();
      await server.stop();
    }
  },
};

async function rolledOut(server: ServerProcess, fleet: FleetProcess, version: string, digest: string): Promise<void> {
  await server.assign(`product-classifier@${version}`, slot);
  const reported = await fleet.reported(digest, 60_000);
  if (reported.includes(null)) throw new Error(`not every device reported ${version} within a minute`);
}

async function kill(server: ServerProcess, fleet: FleetProcess, version: string, good: string) {
  const reported = fleet.reported(good, reportWithinMs);
  const from = performance.timeOrigin + performance.now();
  const answer = await server.api('POST', 'kills', { model: 'product-classifier', version, reason: 'measured' });
  if (answer.status !== 201) throw new Error(`the kill was refused: ${JSON.stringify(answer.body)}`);
  const at = await reported;
  const ms = at.flatMap((time) => (time === null ? [] : [time - from]));
  return { ms, missed: at.length - ms.length };
}

const figures = (devices: number, ms: readonly number[], missed: number): Record<string, Figure> => ({
  devices: { value: devices, unit: 'count' },
  p50_ms: { value: quantile(ms, 0.5), unit: 'ms' },
  p99_ms: { value: quantile(ms, 0.99), unit: 'ms', reach: '< 2000' },
  missed: { value: missed, unit: 'count', reach: '0' },
});
