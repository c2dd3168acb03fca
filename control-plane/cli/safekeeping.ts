import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackupView } from '@flotilla/protocol';
import { Command } from 'commander';
import { z } from 'zod';
import { example, facts, print } from './output.js';
import { clientFor, localDataFolder } from './settings.js';

/** What the restoring program says on standard output. */
const RestoreView = BackupView.extend({ backupOf: z.iso.datetime() });

/** The running control plane copies itself; nothing has to stop. */
export const backup = (): Command =>
  example(
    new Command('backup')
      .description("Back up the control plane's data folder while it runs: database, keys, admin token and artifacts")
      .argument('<folder>', "a new folder on the control plane's machine; what is in it are secrets")
      .action(async (folder: string, _options: unknown, command: Command) => {
        const made = await clientFor(command).backups.make({ folder: resolve(folder) });
        print(command, made, (b) => facts({ backup: b.folder, files: b.files, size: megabytes(b) }));
      }),
    'flotilla backup backup-today',
  );

/** Runs on the stopped control plane's machine: it fills an empty data folder. */
export const restore = (): Command =>
  example(
    new Command('restore')
      .description('Fill an empty data folder from a backup (the control plane must not run on it)')
      .argument('<backup>')
      .option('--data <folder>', 'the data folder (or FLOTILLA_DATA)', localDataFolder())
      .option('--blocks-of <folder>', 'the data folder of before: what was killed since the backup stays killed')
      .action((from: string, { data, blocksOf }: { data: string; blocksOf?: string }, command: Command) => {
        const program = fileURLToPath(new URL('../src/restore.js', import.meta.url));
        const blocks = blocksOf === undefined ? [] : [resolve(blocksOf)];
        const { status, stdout } = spawnSync(process.execPath, [program, resolve(from), resolve(data), ...blocks], {
          stdio: ['ignore', 'pipe', 'inherit'],
          encoding: 'utf8',
        });
        if (status === 0) print(command, RestoreView.parse(JSON.parse(stdout)), describe);
        else process.exitCode = 1;
      }),
    'flotilla restore backup-today --data restored-data',
  );

const describe = (restored: z.infer<typeof RestoreView>) =>
  facts({
    'data folder': restored.folder,
    'backup of': restored.backupOf,
    files: restored.files,
    size: megabytes(restored),
    next: `start the control plane with FLOTILLA_DATA=${restored.folder}`,
  });
const megabytes = ({ bytes }: { bytes: number }) => `${(bytes / 1e6).toFixed(1)} MB`;
