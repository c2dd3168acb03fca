import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small file system in memory, which can be filled to the last byte. */
export class SmallDisk {
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
