import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../support/until.js';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

const loadMs = 1500;
const lookMs = 100;
/** Nothing was stored for so long: that is no hiccup. */
const quietMs = 4000;
const patienceMs = 90_000;
const stillMs = 40_000;
/** Ten seconds of keepalive and half as many again, and the way back. */
const brokerWithinS = 25;
/** Twenty seconds of silence, and at most thirty of a lock that nobody owns any more. */
const databaseWithinS = 45;
const readinessWithinS = 5;

/** The control plane's own connections stand, and carry nothing any more: nobody is told. */
export const silenceFaults: readonly Fault[] = [
  { name: 'nothing flows between control plane and broker', rig: { between: 'broker' }, strike: broker },
  { name: 'nothing flows between control plane and database', rig: { between: 'database' }, strike: database },
];

async function broker(rig: TelemetryRig): Promise<Outcome> {
  await rig.load(loadMs);
  const from = performance.now();
  const stored = storedAgain(rig);
  let noticed = '';
  if (rig.inner) rig.inner.halfOpen(1, () => 0);
  else noticed = `noticed after ${await stopped(rig)} s, `;
  const backS = (await stored) - from / 1000;
  const verdict = await rig.settle();
  const isLate = rig.inner !== undefined && backS > brokerWithinS;
  const said = `${noticed}stored again after ${backS.toFixed(1)} s`;
  return { verdict, said, wrong: isLate ? `nothing was stored for more than ${brokerWithinS} s` : undefined };
}

/** The control plane's own broker: nobody but itself can be in between, so it stands still until that was noticed. */
async function stopped(rig: TelemetryRig): Promise<string> {
  const pid = rig.pidOf('broker');
  const from = performance.now();
  process.kill(pid, 'SIGSTOP');
  try {
    await until(async () => !(await rig.server.readiness()).broker, 'readiness says that there is no broker', patienceMs);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  return secondsSince(from).toFixed(1);
}

/** First the connections that there are, then the way as a whole. */
async function database(rig: TelemetryRig): Promise<Outcome> {
  const line = rig.inner!;
  await rig.load(loadMs);
  const from = performance.now();
  const stored = storedAgain(rig);
  line.halfOpen(1, () => 0);
  const backS = (await stored) - from / 1000;
  await rig.load(loadMs);
  const storedLater = storedAgain(rig);
  line.setStill(true);
  const stillFrom = performance.now();
  await until(async () => !(await rig.server.readiness()).database, 'readiness says that there is no database', patienceMs);
  const saidS = secondsSince(stillFrom);
  await delay(Math.max(0, stillMs - 1000 * saidS));
  const openFrom = performance.now();
  line.setStill(false);
  const onS = (await storedLater) - openFrom / 1000;
  const verdict = await rig.settle();
  const wrong = [
    backS > databaseWithinS ? `nothing was stored for more than ${databaseWithinS} s` : '',
    saidS > readinessWithinS ? `readiness said so after ${saidS.toFixed(1)} s only` : '',
    onS > databaseWithinS ? `nothing was stored for ${onS.toFixed(1)} s after the way was there again` : '',
  ];
  const said = `half-open: stored again after ${backS.toFixed(1)} s; still for ${stillMs / 1000} s: not ready after ${saidS.toFixed(1)} s, stored again ${onS.toFixed(1)} s after it`;
  return { verdict, said, wrong: wrong.filter(Boolean).join('; ') || undefined };
}

/** The moment, in seconds, at which something is stored after nothing was for a while. */
async function storedAgain(rig: TelemetryRig): Promise<number> {
  const deadline = performance.now() + 2 * patienceMs;
  let [known, since] = [-1, performance.now()];
  while (performance.now() < deadline) {
    const records = (await rig.server.use()).counters['ingest.records'] ?? 0;
    if (records > known) {
      if (known >= 0 && performance.now() - since > quietMs) return performance.now() / 1000;
      [known, since] = [records, performance.now()];
    }
    await delay(lookMs);
  }
  throw new Error(`nothing was stored again within ${(2 * patienceMs) / 1000} s`);
}

const secondsSince = (from: number) => (performance.now() - from) / 1000;
