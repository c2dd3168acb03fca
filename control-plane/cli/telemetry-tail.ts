import { TailedWindow } from '@flotilla/protocol';
import { Command } from 'commander';
import { followed, type Stream } from './event-stream.js';
import type { FlotillaClient } from './flotilla-client.js';
import { example } from './output.js';
import { clientFor, globalsOf, wholeNumber } from './settings.js';
import { filtered } from './telemetry-filters.js';

type Options = NonNullable<Parameters<FlotillaClient['telemetryStreams']['tail']>[0]> & { limit?: number };

export const tail = (): Command =>
  example(
    filtered(new Command('tail'))
      .description('Windows as they are stored, until interrupted')
      .option('--last <n>', 'begin with the last so many', wholeNumber)
      .option('--limit <n>', 'end after so many', wholeNumber)
      .action(async ({ limit, ...options }: Options, command: Command) => {
        const end = new AbortController();
        process.once('SIGINT', () => end.abort()).once('SIGTERM', () => end.abort());
        const client = clientFor(command);
        const open: Stream['open'] = (headers, reading) => client.telemetryStreams.tail(options, headers, reading);
        let told = 0;
        for await (const window of followed({ url: client.url, open }, TailedWindow, end.signal, skipped)) {
          if (!window) continue;
          process.stdout.write(`${globalsOf(command).json ? JSON.stringify(window) : lineOf(window)}\n`);
          if ((told += 1) === limit) end.abort();
        }
      }),
    'flotilla telemetry tail --device lyon-1 --last 1 --limit 1',
  );

const skipped = (count: number) => process.stderr.write(`${count} windows were left out: this was too slow for them\n`);

const lineOf = ({ receivedAt, device, slot, release, ok, errors, sheds, restarts, meanComputeMs, p95Ms }: TailedWindow) =>
  [
    receivedAt,
    device,
    slot,
    release,
    `${ok + errors} inferences`,
    ...(errors > 0 ? [`${errors} errors`] : []),
    ...(sheds > 0 ? [`${sheds} shed`] : []),
    ...(restarts ? [`${restarts} restarts`] : []),
    ...(meanComputeMs === undefined ? [] : [`compute ${meanComputeMs} ms`]),
    ...(p95Ms === undefined ? [] : [`p95 ${p95Ms} ms`]),
  ].join('  ');
