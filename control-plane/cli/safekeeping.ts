import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { z } from 'zod';
import { example, print } from './output.js';
import { clientFor } from './settings.js';

const BackupView = z.object({ folder: z.string(), files: z.int(), bytes: z.int() });

/** The running control plane copies itself; nothing has to stop. */
export const backup = (): Command =>
  example(
    new Command('backup')
      .description("Back up the control plane's data folder while it runs")
      .argument('<folder>', 'a new folder on the control plane’s machine')
      .action(async (folder: string, _options: unknown, command: Command) => {
        const made = await clientFor(command).post('/api/v1/backups', { folder: resolve(folder) }, BackupView);
        print(command, made, (b) => `${b.folder}: ${b.files} files, ${(b.bytes / 1e6).toFixed(1)} MB`);
      }),
    'flotilla backup /var/backups/flotilla-today',
  );

/** Runs on the stopped control plane's machine: it fills an empty data folder. */
export const restore = (): Command =>
  example(
    new Command('restore')
      .description('Fill an empty data folder from a backup (the control plane must not run on it)')
      .argument('<backup>')
      .option('--data <folder>', 'the data folder', '.flotilla')
      .action((from: string, { data }: { data: string }) => {
        const program = fileURLToPath(new URL('../src/restore.js', import.meta.url));
        const { status } = spawnSync(process.execPath, [program, resolve(from), resolve(data)], { stdio: 'inherit' });
        process.exitCode = status ?? 1;
      }),
    'flotilla restore /var/backups/flotilla-today --data restored-data',
  );
