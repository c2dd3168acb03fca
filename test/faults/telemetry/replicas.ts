import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

const loadMs = 3000;

/**
 * Two control planes on one database. On an external broker they share what devices send; each one's own broker takes the
 * other one's devices over, as a load balancer sends them.
 */
export const replicaFault: Fault = { name: 'one of two replicas killed', rig: { replicas: true }, strike };

async function strike(rig: TelemetryRig): Promise<Outcome> {
  const { mqttUrl } = await rig.startSecond();
  const own = rig.identity.mqttUrl;
  await rig.load(loadMs);
  const before = await stored(rig);
  await rig.kill('control plane');
  if (rig.sharesBroker) await rig.load(loadMs);
  else rig.relay.turnTo(mqttUrl);
  rig.server = rig.second!;
  rig.second = undefined;
  await rig.load(loadMs);
  const verdict = await rig.settle();
  const after = await stored(rig);
  return { verdict, said: `devices stay at ${own}; ${before} windows before, ${after} after` };
}

const stored = (rig: TelemetryRig) => rig.number('SELECT count(*) FROM telemetry_window');
