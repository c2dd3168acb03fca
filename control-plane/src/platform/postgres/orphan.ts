import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nullWhenMissing } from '../durable-file.js';
import type { Logger } from '../logger.js';
import { runAs } from './server-user.js';

/**
 * A server whose parent was killed: the data folder's lock is ours, so nobody needs it. A pid file without its process is
 * left to PostgreSQL; one whose pid is another program's by now it would take for a server, so that one goes. (Backends that
 * outlived their server it finds by their shared memory.)
 */
export async function stopOrphan(clusterDir: string, log: Logger): Promise<void> {
  const pid = await readPid(clusterDir);
  if (pid === null) return;
  const command = await commandOf(pid);
  if (isServerOf(clusterDir, command)) await stop(pid, clusterDir, log);
  else if (command !== '') await rm(pidFile(clusterDir), { force: true });
}

async function stop(pid: number, clusterDir: string, log: Logger): Promise<void> {
  log.warn({ pid }, 'stopping a database server that an earlier run left behind');
  // Fast, immediate, and last what it can't ignore; the next start recovers from any of them.
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    send(pid, signal);
    if (await gone(pid, clusterDir)) return;
  }
}

const pidFile = (clusterDir: string) => join(clusterDir, 'postmaster.pid');

async function readPid(clusterDir: string): Promise<number | null> {
  const text = await readFile(pidFile(clusterDir), 'utf8').catch(nullWhenMissing);
  const pid = Number(text?.split('\n')[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : null;
}

const isServerOf = (clusterDir: string, command: string) => command.includes('postgres') && command.includes(clusterDir);

/** Empty when there is no such process (any more). */
async function commandOf(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux') return await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return (await runAs(null, 'ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout;
  } catch {
    return '';
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(pid: number, clusterDir: string): Promise<boolean> {
  const deadline = performance.now() + 5000;
  while (performance.now() < deadline) {
    if (!isServerOf(clusterDir, await commandOf(pid))) return true;
    await delay(50);
  }
  return false;
}
