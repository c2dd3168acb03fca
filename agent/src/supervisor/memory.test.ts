import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { freemem, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { availableBytes } from './memory.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'flotilla-memory-'));
});
afterEach(() => rm(root, { recursive: true }));

async function machine(files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}
const meminfo = 'MemTotal: 4000000 kB\nMemFree: 100000 kB\nMemAvailable: 2000000 kB\n';

it('is what the kernel says where there is no limit', async () => {
  await machine({ 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/unit\n', 'sys/fs/cgroup/unit/memory.max': 'max\n' });
  expect(availableBytes(root)).toBe(2_000_000 * 1024);
});

it('is what the tightest group has left, with what the kernel would give back of its files', async () => {
  await machine({
    'proc/meminfo': meminfo,
    'proc/self/cgroup': '0::/system.slice/flotilla.service\n',
    'sys/fs/cgroup/system.slice/memory.max': '900000000\n',
    'sys/fs/cgroup/system.slice/memory.current': '500000000\n',
    'sys/fs/cgroup/system.slice/flotilla.service/memory.max': '600000000\n',
    'sys/fs/cgroup/system.slice/flotilla.service/memory.current': '400000000\n',
    'sys/fs/cgroup/system.slice/flotilla.service/memory.stat': 'anon 1\ninactive_file 50000000\n',
  });
  expect(availableBytes(root)).toBe(250_000_000);
});

it('is never less than nothing', async () => {
  const group = { 'sys/fs/cgroup/memory.max': '10\n', 'sys/fs/cgroup/memory.current': '20\n' };
  await machine({ 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n', ...group });
  expect(availableBytes(root)).toBe(0);
});

it('is something on this machine, and on one that shows nothing', () => {
  expect(availableBytes()).toBeGreaterThan(1e6);
  expect(availableBytes()).toBeLessThanOrEqual(totalmem());
  expect(availableBytes(root)).toBeGreaterThan(freemem() / 10);
});
