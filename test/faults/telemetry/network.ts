import { setTimeout as delay } from 'node:timers/promises';
import { clearAir } from '../../fleet-sim/faulty-air.js';
import { seeded } from '../../fleet-sim/random.js';
import { processesBelow } from '../process-tree.js';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

const loadMs = 5000;
const badAir = { lost: 0.2, doubled: 0.2, late: 0.3, lateMs: 800 };
const stillMs = 12_000;
const day = 86_400_000;
/** What a steady window may be off where the clocks were set. */
const offS = 60;

/** Of the way between devices and database: what is lost, doubled, late or stands still. */
export const networkFaults: readonly Fault[] = [
  { name: 'messages lost, doubled and out of order', strike: throughBadAir },
  { name: 'connections cut at random', strike: cutAtRandom },
  { name: 'half-open connections', strike: halfOpen },
  { name: 'broker stands still', strike: (rig) => standsStill(rig, [rig.pidOf('broker')]) },
  { name: 'database stands still', strike: (rig) => standsStill(rig, databaseOf(rig)) },
  { name: 'clocks of devices jump', strike: (rig) => jumping(rig, (ms) => rig.fleet.jump(ms)) },
  { name: 'clock of the control plane jumps', strike: (rig) => jumping(rig, (ms) => rig.server.clock(ms)) },
];

async function throughBadAir(rig: TelemetryRig): Promise<Outcome> {
  await rig.fleet.air(badAir);
  await rig.load(loadMs);
  await rig.fleet.air(clearAir);
  const counts = await rig.fleet.airCounts();
  const sum = (what: 'lost' | 'doubled' | 'late') => counts.reduce((all, each) => all + each[what], 0);
  // What was lost is sent again when its time has come, or the connection is a new one.
  rig.relay.cut(1, Math.random);
  return { verdict: await rig.settle(), said: `${sum('lost')} messages lost, ${sum('doubled')} doubled, ${sum('late')} late` };
}

async function cutAtRandom(rig: TelemetryRig): Promise<Outcome> {
  const random = seeded(3);
  await rig.load(0);
  for (let i = 0; i < 10; i++) {
    rig.relay.cut(0.3, random);
    await delay(loadMs / 10);
  }
  return { verdict: await rig.settle() };
}

async function halfOpen(rig: TelemetryRig): Promise<Outcome> {
  await rig.load(1000);
  const count = rig.relay.halfOpen(0.5, seeded(4));
  await rig.load(2 * loadMs);
  return { verdict: await rig.settle(), said: `${count} connections` };
}

/** With the processes that serve its connections. */
function databaseOf(rig: TelemetryRig): number[] {
  const pid = rig.pidOf('PostgreSQL');
  return [pid, ...processesBelow(pid).map((each) => each.pid)];
}

async function standsStill(rig: TelemetryRig, pids: readonly number[]): Promise<Outcome> {
  await rig.load(1000);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await rig.load(stillMs);
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
  await rig.load(1000);
  return { verdict: await rig.settle() };
}

/** Ahead, back, and to where it was; what is measured meanwhile lies where it belongs. */
async function jumping(rig: TelemetryRig, set: (ms: number) => Promise<void>): Promise<Outcome> {
  for (const ms of [day, -2 * day, day, 0]) {
    await rig.load(1000);
    await set(ms);
  }
  await rig.load(1000);
  const verdict = await rig.settle();
  const off = await rig.number(
    `SELECT count(*) FROM telemetry_window WHERE abs(extract(epoch FROM received_at - ended_at)) > ${offS}`,
  );
  return { verdict, wrong: off > 0 ? `${off} windows lie ${offS} s or more from where they were received` : undefined };
}
