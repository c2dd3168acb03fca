import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from './fixtures/fleet-of-one.js';
import { giveWay } from './giving-way.js';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await killed(child);
});

/** With its group. */
async function killed(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  process.kill(-child.pid!, 'SIGKILL');
  await gone;
}

/** In a session of its own, as runners are; with a child, as engines are. */
async function started(): Promise<number> {
  const script = `require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore' }); process.stdout.write('up'); process.stdin.on('end', () => process.kill(-process.pid, 'SIGKILL')).resume()`;
  const child = spawn(process.execPath, ['-e', script], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid!;
}

const groupOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/autogroup`, 'utf8').trim().split(' ').at(-1)!;
  } catch {
    return 'none';
  }
};
const tasks = (pid: number) => readdirSync(`/proc/${pid}/task`).map(Number);
const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
const standing = (pid: number) => ({
  group: groupOf(pid),
  threads: [...new Set([...tasks(pid), ...childrenOf(pid)].map((thread) => getPriority(thread)))],
});

describe.skipIf(process.platform !== 'linux')('a process that gives way', () => {
  it('counts less, with all its threads and children, until it is told to count again', async () => {
    const pid = await started();
    const before = standing(pid);
    const end = giveWay(pid);
    const below = standing(pid);
    expect(below).not.toEqual(before);
    expect(['10', before.group]).toContain(below.group);
    expect(below.threads).toHaveLength(1);
    end();
    await until(
      () => isDeepStrictEqual(standing(pid), before),
      () => JSON.stringify(standing(pid)),
    );
  });

  it('may be gone already', async () => {
    const pid = await started();
    const end = giveWay(pid);
    await killed(children.pop()!);
    expect(end).not.toThrow();
    expect(() => giveWay(pid)()).not.toThrow();
  });
});
