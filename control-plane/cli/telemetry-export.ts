import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { ApiError, type ApiClient } from './client.js';
import { example, facts, print } from './output.js';
import { clientFor, UsageError } from './settings.js';
import { type Filters, filtered, queryOf, spanned } from './telemetry-filters.js';

type Options = Filters & { out?: string; format: string };

export const exportTable = (): Command =>
  example(
    filtered(spanned(new Command('export')))
      .description('Windows, vitals or rollups as a table')
      .option('--of <table>', 'windows, vitals, device-hours, device-days, fleet-minutes, fleet-hours or fleet-days', 'windows')
      .option('--format <format>', 'csv or parquet', 'csv')
      .option('--out <file>', 'into this file, which is replaced (else to standard output)')
      .action(async ({ out, ...options }: Options, command: Command) => {
        if (out === undefined && process.stdout.isTTY && options.format === 'parquet')
          throw new UsageError('Parquet is not for a terminal: give --out FILE');
        const client = clientFor(command);
        if (out === undefined) return pipeline(await opened(client, options), process.stdout, { end: false });
        print(command, await written(client, options, out), facts);
      }),
    'flotilla telemetry export --format parquet --since 1d --out windows.parquet',
  );

/** Half a table is none: the file is there when it is whole. */
async function written(client: ApiClient, options: Omit<Options, 'out'>, file: string): Promise<{ file: string; bytes: number }> {
  const part = `${file}.part`;
  try {
    await pipeline(await opened(client, options), createWriteStream(part));
    await rename(part, file);
    return { file, bytes: (await stat(file)).size };
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof ApiError) throw error;
    throw new ApiError('UNREACHABLE', `${file} was not written: ${(error as Error).message}`, { cause: error });
  }
}

const opened = async (client: ApiClient, options: Omit<Options, 'out'>) =>
  Readable.fromWeb(await client.bytes(`/api/v1/telemetry/export?${queryOf(options)}`));
