import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';

/**
 * Bytes that this machine would still give: the least of the kernel's own estimate and of what each cgroup around this process has
 * left. Pages of files that the kernel would give back count as free: Node's own figure counts them as used.
 */
export function availableBytes(root = '/'): number {
  const free = kilobytes(read(root, 'proc/meminfo'), 'MemAvailable') ?? freemem();
  return Math.max(0, Math.min(free, ...cgroups(root).map((path) => leftIn(root, path))));
}

/** This process's and all above it: the tightest counts. Only cgroup v2 has one tree for all. */
function cgroups(root: string): string[] {
  const own = /^0::(\/.*)$/m.exec(read(root, 'proc/self/cgroup') ?? '')?.[1];
  if (own === undefined) return [];
  const parts = own.split('/').filter(Boolean);
  return parts.map((_, i) => join('sys/fs/cgroup', ...parts.slice(0, i + 1))).concat('sys/fs/cgroup');
}

function leftIn(root: string, path: string): number {
  // The root group has no limit, nor the file; "max" is none either.
  const limit = Number(read(root, join(path, 'memory.max')) ?? NaN);
  const used = Number(read(root, join(path, 'memory.current')) ?? NaN);
  if (!Number.isFinite(limit) || !Number.isFinite(used)) return Infinity;
  const reclaimable = Number(/^inactive_file (\d+)$/m.exec(read(root, join(path, 'memory.stat')) ?? '')?.[1] ?? 0);
  return limit - used + reclaimable;
}

const kilobytes = (text: string | undefined, key: string) => {
  const value = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text ?? '')?.[1];
  return value === undefined ? undefined : Number(value) * 1024;
};

function read(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined; // another system, or a container that does not show it
  }
}
