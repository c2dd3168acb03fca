import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

/** A device that went without its disk tries it again after a minute. */
const returnMs = 65_000;
const fullMs = 6000;

/** A small file system in memory, which can be filled to the last byte. */
class SmallDisk {
  readonly #home: string;
  readonly folder: string;

  constructor(megabytes: number) {
    this.#home = mkdtempSync(join(tmpdir(), 'flotilla-disk-'));
    this.folder = join(this.#home, 'disk');
    mkdirSync(this.folder);
    // As root the database runs as another user, who must get in.
    run('chmod', '755', this.#home);
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', this.folder);
  }

  fill(): void {
    const fd = openSync(join(this.folder, 'ballast'), 'w');
    try {
      for (let size = 2 ** 20; size >= 512;) {
        try {
          writeSync(fd, Buffer.alloc(size));
        } catch {
          size /= 2; // no room for so much: for less, perhaps
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  empty(): void {
    rmSync(join(this.folder, 'ballast'));
  }

  remove(): void {
    run('umount', this.folder);
    rmSync(this.#home, { recursive: true, force: true });
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${String(stderr).trim()} (a small disk needs root)`);
}

/** Disks that are full, and are not any more. */
export function diskFaults(): readonly Fault[] {
  let disk: SmallDisk;
  const on = (megabytes: number, use: (folder: string) => object) => () => {
    disk = new SmallDisk(megabytes);
    return use(disk.folder);
  };
  const after = () => disk?.remove();
  return [
    { name: 'disk full on devices', rig: on(256, (outboxes) => ({ outboxes })), strike: (rig) => devices(rig, disk), after },
    {
      name: 'disk full on the server',
      rig: on(400, (folder) => {
        const dataDir = join(folder, 'data');
        mkdirSync(dataDir);
        return { dataDir };
      }),
      strike: (rig) => server(rig, disk),
      after,
    },
  ];
}

async function devices(rig: TelemetryRig, disk: SmallDisk): Promise<Outcome> {
  await rig.load(1000);
  disk.fill();
  await rig.load(fullMs);
  const inMemory = (await rig.fleet.outboxes()).filter(({ durable }) => !durable).length;
  disk.empty();
  await rig.load(returnMs);
  const verdict = await rig.settle();
  const left = (await rig.fleet.outboxes()).filter(({ durable }) => !durable).length;
  const [told, back] = [await rig.alarmed('outbox-in-memory'), await rig.alarmed('outbox-on-disk')];
  const said = `${inMemory} went on in memory, ${told.size} said so, ${back.size} came back`;
  return { verdict, said, wrong: inMemory === 0 ? 'no disk was full' : left > 0 ? `${left} are still in memory` : undefined };
}

async function server(rig: TelemetryRig, disk: SmallDisk): Promise<Outcome> {
  await rig.load(1000);
  disk.fill();
  await rig.load(fullMs);
  disk.empty();
  await rig.load(1000);
  const verdict = await rig.settle();
  const { counters } = await rig.server.use();
  const tries = counters['ingest.retries'] ?? 0;
  return { verdict, said: `${tries} transactions tried again`, wrong: tries === 0 ? 'the disk was not full' : undefined };
}
