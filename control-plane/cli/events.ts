import { EventView } from '@flotilla/protocol';
import { Command } from 'commander';
import type { ApiClient } from './client.js';
import { example, print, table } from './output.js';
import { findRollout } from './rollouts.js';
import { clientFor, wholeNumber } from './settings.js';

type Filters = { device?: string; rollout?: string; kind?: string };

/** The event log: who or what did what, when. */
export const events = (): Command =>
  example(
    new Command('events')
      .description('The event log, newest first')
      .option('--device <device>', 'of this device')
      .option('--rollout <rollout>', 'of this rollout: its name, id, or how the id begins')
      .option('--kind <kind>', 'of this kind, or of these, separated by commas')
      .option('--limit <n>', 'how many', wholeNumber, 50)
      .action(async ({ limit, ...filters }: Filters & { limit: number }, command: Command) => {
        const client = clientFor(command);
        const found = await client.list(`/api/v1/events${await queryOf(client, filters)}`, EventView, limit);
        print(command, found, () => table(found.map(row), 'nothing has happened yet'));
      }),
    'flotilla events --device lyon-1 --limit 10',
  );

async function queryOf(client: ApiClient, { device, rollout, kind }: Filters): Promise<string> {
  const query = new URLSearchParams({
    ...(device === undefined ? {} : { device }),
    ...(rollout === undefined ? {} : { rollout: (await findRollout(client, rollout)).id }),
    ...(kind === undefined ? {} : { kind }),
  });
  return query.size > 0 ? `?${query.toString()}` : '';
}

const row = ({ at, kind, actor, device, message }: EventView) => ({ at, kind, actor, device, what: message });
