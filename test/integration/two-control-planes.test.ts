import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { follow } from '@flotilla/control-plane/cli/event-stream';
import { FlotillaClient } from '@flotilla/control-plane/cli/flotilla-client';
import { EventsService } from '@flotilla/control-plane/events/events.service';
import { Leader } from '@flotilla/control-plane/platform/leader';
import type { RolloutPlanInput } from '@flotilla/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { anEmptyDatabase } from '../support/postgres.js';
import { expectReplayed } from '../support/replayed.js';
import { aRolloutRig, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

const here = dirname(fileURLToPath(import.meta.url));
let database: Awaited<ReturnType<typeof anEmptyDatabase>>;
let cp: TestControlPlane;
let rig: RolloutRig;
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
  const served = async () => {
    const address = () => lines.find((line) => line.startsWith('serves '))?.slice('serves '.length);
    await until(() => address() !== undefined, 'it serves');
    return address()!;
  };
  return { child, lines, says, served };
}

/** What spreads operators over the replicas; it leads to one of them. */
async function aBalancer(url: string) {
  let target = new URL(url);
  const server = createServer((socket) => {
    const replica = connect(Number(target.port), target.hostname);
    socket.pipe(replica).pipe(socket);
    socket.on('error', () => replica.destroy());
    replica.on('error', () => socket.destroy()).on('close', () => socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ends.push(async () => void server.close());
  const leadsTo = (other: string) => void (target = new URL(other));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, leadsTo };
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

  it('Given somebody who follows the events, When the one that serves them is killed, Then the other goes on where it was', async () => {
    const { child, served } = await anotherControlPlane();
    await joined();
    const balancer = await aBalancer(await served());
    const { token } = (await cp.api('POST', 'operators', { name: 'ann' })).body;
    const append = (message: string) =>
      cp.app.get(EventsService).append(rig.db.manager, { kind: 'test', actor: 'test', message });
    const heard: string[] = [];
    const end = new AbortController();
    const connected = Promise.withResolvers<void>();
    const following = (async () => {
      for await (const event of follow(new FlotillaClient(balancer.url, token), { kind: 'test' }, end.signal))
        if (event) heard.push(event.message);
        else connected.resolve();
    })();
    await connected.promise;
    await append('told by the first');
    await until(() => heard.length === 1, 'the first event is heard');
    await killed(child);
    await append('told by nobody');
    balancer.leadsTo(cp.url);
    await until(() => heard.length === 2, 'the other tells what was missed');
    await append('told by the other');
    await until(() => heard.length === 3, 'the other goes on');
    end.abort();
    await following;
    expect(heard).toEqual(['told by the first', 'told by nobody', 'told by the other']);
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
