import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Leader } from '@flotilla/control-plane/platform/leader';
import type { RolloutPlanInput } from '@flotilla/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { anEmptyDatabase } from '../support/postgres.js';
import { expectReplayed } from '../support/replayed.js';
import { aRolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

const here = dirname(fileURLToPath(import.meta.url));
let database: Awaited<ReturnType<typeof anEmptyDatabase>>;
let cp: TestControlPlane;
let rig: Awaited<ReturnType<typeof aRolloutRig>>;
const ends: (() => Promise<void>)[] = [];

beforeEach(async () => {
  database = await anEmptyDatabase();
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await database.close();
});

/** It leads, for it is the first. */
async function anotherControlPlane(skewMs = 0) {
  const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-'));
  // As built: what Nest decorates cannot be run from its source.
  const args = [join(here, '../dist/integration/platform/lead-rollouts.js'), dataDir, database.url, String(skewMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  ends.push(async () => {
    await killed(child);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const says = (line: string) =>
    until(() => lines.includes(line), `it says "${line}", not only ${lines.slice(-5).join()}`, 40_000);
  await says('leads 1');
  return { child, lines, says };
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** This process's own, on the same database; it follows. */
async function joined(): Promise<void> {
  cp = await aControlPlane({ databaseUrl: database.url });
  ends.push(() => cp.stop());
  rig = await aRolloutRig(cp);
  expect(cp.app.get(Leader).isLeader()).toBe(false);
}
const takesOver = () => until(() => cp.app.get(Leader).isLeader(), 'this one leads', 30_000);

const three: RolloutPlanInput['stages'] = ['one', 'two', 'three'].map((name) => ({ name, count: 1, soak: 0, deadline: '1h' }));

describe('two control planes on one database', { timeout: 120_000 }, () => {
  it('Given a leader whose clock is two hours ahead, When it is killed in mid-rollout, Then the other goes on from there', async () => {
    const { child } = await anotherControlPlane(2 * 3_600_000);
    await joined();
    const { name, devices } = await rig.aFleet(3);
    const { id } = await rig.started(rig.plan(name, { stages: three }));
    // The deadline of an hour goes by the database's clock: it is not over.
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    const second = await rig.nextOffered(devices);
    await killed(child);
    for (const device of second) await rig.obey(device, 12, 4);
    await takesOver();
    expect(cp.app.get(Leader).term()).toBe(2);
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    await rig.inPhase(id, 'completed');
    await expectReplayed(rig.db, id);
  });

  it('Given a leader that is stopped in mid-transaction, When it wakes, Then what it was about to write is not written', async () => {
    const { child, lines, says } = await anotherControlPlane();
    await joined();
    const { name, devices } = await rig.aFleet(3);
    const { id } = await rig.started(rig.plan(name, { stages: three }));
    await rig.nextOffered(devices);
    await says('looked');
    child.kill('SIGUSR2');
    await says('stops in mid-transaction');
    // The next look of whoever leads will open the second stage: the stopped one holds the locks for it.
    await takesOver();
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    const events = () => rig.db.query(`SELECT id FROM rollout_event WHERE rollout = $1 ORDER BY id`, [id]);
    child.kill('SIGCONT');
    await says('failed to look');
    expect(lines.filter((line) => line.startsWith('leads'))).toEqual(['leads 1']);
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    await rig.inPhase(id, 'completed');
    expect((await events()).length).toBeGreaterThan(6);
    await expectReplayed(rig.db, id);
  });
});
