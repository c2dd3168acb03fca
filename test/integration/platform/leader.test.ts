import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { Leader } from '@flotilla/control-plane/platform/leader';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aDatabase, type Database } from '../../support/postgres.js';
import { until } from '../../support/until.js';

let database: Awaited<ReturnType<typeof aDatabase>>;
const ends: (() => Promise<void>)[] = [];
beforeEach(async () => {
  database = await aDatabase();
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await database.close();
});

/** A replica: its own connections, its own lease holder. */
async function aReplica(): Promise<{ leader: Leader; db: Database }> {
  const db = await openDatabase(database.url);
  const leader = new Leader(db, createLogger('silent'));
  ends.push(
    () => db.destroy(),
    () => leader.stop(),
  );
  return { leader, db };
}

/** A replica in a process that can be stopped as a whole. */
async function aReplicaProcess(): Promise<{ process: ChildProcess; says: (line: string) => Promise<void>; lines: string[] }> {
  const here = dirname(fileURLToPath(import.meta.url));
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=flotilla-source', '--experimental-transform-types'];
  const source = [...flags, '--import', join(here, '../../support/run-source.mjs'), join(here, 'hold-lease.ts'), database.url];
  const child = spawn(process.execPath, source, { stdio: ['ignore', 'pipe', 'inherit'] });
  ends.push(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    process: child,
    lines,
    says: (line) => until(() => lines.includes(line), `it says "${line}", not only ${lines.join()}`, 15_000),
  };
}

it('one of two leads, and the other takes over at once when that one stops', async () => {
  const [first, second] = [await aReplica(), await aReplica()];
  await first.leader.start();
  await second.leader.start();
  expect([first.leader.isLeader(), second.leader.isLeader()]).toEqual([true, false]);
  expect(first.leader.term()).toBe(1);
  await first.leader.stop();
  expect(first.leader.isLeader()).toBe(false);
  await until(() => second.leader.isLeader(), 'the second leads', 2500);
  expect(second.leader.term()).toBe(2);
});

it('work begins with each leadership, and is not stopped by work that fails', async () => {
  const { leader } = await aReplica();
  const begun: number[] = [];
  leader.whenLeading(() => {
    throw new Error('of this one');
  });
  leader.whenLeading((term) => void begun.push(term));
  await leader.start();
  leader.whenLeading((term) => void begun.push(term + 100));
  await until(() => begun.length === 2, 'the work has begun');
  expect(begun).toEqual([1, 101]);
});

it('a leader keeps its term for as long as it renews', async () => {
  const { leader, db } = await aReplica();
  await leader.start();
  const expiry = async () => (await db.query<{ at: Date }[]>('SELECT expires_at AS at FROM leader_lease'))[0]!.at.getTime();
  const before = await expiry();
  await until(async () => (await expiry()) > before + 1500, 'it was renewed twice');
  expect(leader.term()).toBe(1);
});

it('whoever does not lead is refused before it writes', async () => {
  const [first, second] = [await aReplica(), await aReplica()];
  await first.leader.start();
  await first.db.transaction((tx) => first.leader.check(tx));
  await expect(second.db.transaction((tx) => second.leader.check(tx))).rejects.toMatchObject({ code: 'NOT_LEADER' });
});

it('nobody takes over while a transaction of the leader is under way', async () => {
  const { leader, db } = await aReplica();
  await leader.start();
  const other = await aReplica();
  await db.transaction(async (tx) => {
    await leader.check(tx);
    // As if four seconds had passed: what another session tries now must wait for this transaction.
    await expect(
      other.db.transaction(async (thief) => {
        await thief.query(`SET LOCAL lock_timeout = '300ms'`);
        await thief.query(`UPDATE leader_lease SET holder = 'thief', term = term + 1`);
      }),
    ).rejects.toThrow('lock timeout');
  });
});

it('a leader that is stopped in mid-transaction is deposed all the same, and finds out before it writes', async () => {
  const sleeper = await aReplicaProcess();
  await sleeper.says('checked 1');
  sleeper.process.kill('SIGSTOP');
  const { leader } = await aReplica();
  await leader.start();
  expect(leader.isLeader()).toBe(false);
  await until(() => leader.isLeader(), 'the lease ran out', 15_000);
  expect(leader.term()).toBe(2);
  sleeper.process.kill('SIGCONT');
  await sleeper.says('refused NOT_LEADER');
  expect(sleeper.lines).not.toContain('written');
});
