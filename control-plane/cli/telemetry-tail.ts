import { TailedWindow } from '@flotilla/protocol';
import { Command } from 'commander';
import { followed } from './event-stream.js';
import { example } from './output.js';
import { clientFor, globalsOf, wholeNumber } from './settings.js';
import { type Filters, filtered, queryOf } from './telemetry-filters.js';

type Options = Filters & { last: number; limit?: number };

export const tail = (): Command =>
  example(
    filtered(new Command('tail'))
      .description('Windows as they are stored, until interrupted')
      .option('--last <n>', 'begin with the last so many', wholeNumber)
      .option('--limit <n>', 'end after so many', wholeNumber)
      .action(async ({ limit, ...options }: Options, command: Command) => {
        const end = new AbortController();
        process.once('SIGINT', () => end.abort()).once('SIGTERM', () => end.abort());
        const query = queryOf(options);
        const path = `/api/v1/telemetry/tail${query === '' ? '' : `?${query}`}`;
        let told = 0;
        for await (const window of followed(clientFor(command), path, TailedWindow, end.signal, skipped)) {
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
