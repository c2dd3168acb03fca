import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coarsen } from '@flotilla/agent/supervisor/outbox-coarsen';
import { OutboxStore } from '@flotilla/agent/supervisor/outbox-store';
import type { NewRecord } from '@flotilla/agent/supervisor/outbox-contract';
import type { Figure } from './figure.js';

/** Seconds, as a device has them by default: a window, a group of them on its way to the disk, an upload. */
const usual = { window: 10, commit: 30, upload: 60, hour: 3600 };
const batch = { maxBytes: 192 * 1024, maxRecords: 1000 };

/** What an hour of one slot's windows and of vitals writes to the disk, at once; acknowledged as they are sent, or not at all. */
export async function outboxWrites(bodies: readonly string[], log: (line: string) => void): Promise<Record<string, Figure>> {
  const connected = await hourOf(bodies, true);
  const offline = await hourOf(bodies, false);
  if (connected.bytes === 0) return { disk_mb_per_hour: { skipped: 'the temporary folder is on no disk: set TMPDIR' } };
  log(`an hour of the outbox: ${connected.commits} commits, ${(connected.bytes / connected.commits / 1024).toFixed(0)} KiB each`);
  return {
    disk_mb_per_hour: { value: connected.bytes / 1e6, unit: 'MB' },
    disk_mb_per_hour_offline: { value: offline.bytes / 1e6, unit: 'MB' },
    disk_commits_per_hour: { value: connected.commits, unit: 'count' },
  };
}

async function hourOf(bodies: readonly string[], isConnected: boolean): Promise<{ bytes: number; commits: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
  let now = 0;
  const store = new OutboxStore({
    file: join(folder, 'outbox.db'),
    thumbprint: 'bench',
    limits: { maxBytes: 64 * 2 ** 20, maxAgeS: 1e6 },
    coarsen,
    now: () => now,
    random: () => 0.5,
    onAlarm: (_name, message) => console.error(message),
  });
  const before = await written();
  let commits = 0;
  const waiting: NewRecord[] = [];
  for (now = usual.window; now <= usual.hour; now += usual.window) {
    waiting.push(...bodies.map((body) => ({ class: 'window' as const, body })));
    if (now % usual.commit === 0) {
      store.append(waiting.splice(0));
      commits += 1;
    }
    if (isConnected && now % usual.upload === 0) commits += upload(store);
  }
  const bytes = (await written()) - before;
  store.close();
  await rm(folder, { recursive: true, force: true });
  return { bytes, commits };
}

/** Given numbers, and acknowledged. */
function upload(store: OutboxStore): number {
  const sent = store.nextBatch('window', batch);
  if (sent) store.ack({ upTo: sent.seq0 + sent.bodies.length, ranges: [], refused: [] });
  return 2;
}

/** By this process, to a disk. Linux. */
const written = async () => Number(/^write_bytes: (\d+)/m.exec(await readFile('/proc/self/io', 'utf8'))![1]);
