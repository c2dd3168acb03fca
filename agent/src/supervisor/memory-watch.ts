import { readFileSync, writeFileSync } from 'node:fs';
import { isErrno } from '../errors.js';

/** `maxRssBytes`: what it may hold. `minFreeBytes`: what the machine must keep while it loads; a GPU that shares it shows in nobody's RSS. */
export type MemoryLimits = { maxRssBytes: number; minFreeBytes?: number | undefined };

/** Often enough that a model which takes some gigabytes a second is stopped within a few hundred megabytes. */
const everyMs = 50;
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** Looks at a process from outside, whatever it is busy with. Gives what ends the watch. Where there is no /proc, heartbeats have to do. */
export function watchMemory(
  pid: number,
  limits: MemoryLimits,
  isLoading: () => boolean,
  onExcess: (reason: string) => void,
): () => void {
  const timer = setInterval(() => {
    const reason = tooMuch(pid, limits) ?? (isLoading() ? tooLittleLeft(limits) : undefined);
    if (reason !== undefined) onExcess(reason);
  }, everyMs).unref();
  return () => clearInterval(timer);
}

export const overCeiling = (rssBytes: number, { maxRssBytes }: MemoryLimits): string | undefined =>
  rssBytes > maxRssBytes ? `the runner holds ${megabytes(rssBytes)}, its ceiling is ${megabytes(maxRssBytes)}` : undefined;

/** Should the kernel have to end something for want of memory, it is to be a runner, not the supervisor that would start it again. */
export function offerToOutOfMemoryKiller(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '500');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ESRCH')) throw error;
  }
}

function tooMuch(pid: number, limits: MemoryLimits): string | undefined {
  const own = bytesIn(`/proc/${pid}/status`, 'VmRSS');
  if (own === undefined) return undefined;
  const others = childrenOf(pid).reduce((sum, child) => sum + (bytesIn(`/proc/${child}/status`, 'VmRSS') ?? 0), 0);
  return overCeiling(own + others, limits);
}

/** An engine may be a process of its own. */
const childrenOf = (pid: number) => (textOf(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean);

function tooLittleLeft({ minFreeBytes }: MemoryLimits): string | undefined {
  const free = minFreeBytes === undefined ? undefined : bytesIn('/proc/meminfo', 'MemAvailable');
  if (free === undefined || free >= minFreeBytes!) return undefined;
  return `the machine had ${megabytes(free)} of memory left while the runner loaded, ${megabytes(minFreeBytes!)} must remain`;
}

/** In kB there, whatever the size of a page. */
function bytesIn(file: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(textOf(file) ?? '');
  return found ? Number(found[1]) * 1024 : undefined;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES', 'ESRCH')) return undefined;
    throw error;
  }
}
