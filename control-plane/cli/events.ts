import { EventView } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor } from './settings.js';

/** The event log: who or what did what, when. */
export const events = (): Command =>
  example(
    new Command('events')
      .description('The event log, newest first')
      .option('--device <device>')
      .option('--rollout <id>')
      .option('--kind <kind>')
      .option('--limit <n>', 'how many', '50')
      .action(
        async ({ limit, ...filters }: { limit: string; device?: string; rollout?: string; kind?: string }, command: Command) => {
          const query = new URLSearchParams(
            Object.entries(filters).filter(
              (entry): entry is [string, string] =>
                ['device', 'rollout', 'kind'].includes(entry[0]) && typeof entry[1] === 'string',
            ),
          );
          const found = await clientFor(command).list(
            `/api/v1/events${query.size > 0 ? `?${query.toString()}` : ''}`,
            EventView,
            Number(limit),
          );
          const rows = found.map((event) => ({
            at: event.at,
            kind: event.kind,
            actor: event.actor,
            device: event.device,
            what: event.message,
          }));
          print(command, found, () => table(rows, 'nothing has happened yet'));
        },
      ),
    'flotilla events --device lyon-1 --limit 10',
  );
