import type { EventView } from '@flotilla/protocol';
import { Command } from 'commander';
import { type EventFilter, follow } from './event-stream.js';
import type { FlotillaClient } from './flotilla-client.js';
import { example, print, table } from './output.js';
import { findRollout } from './rollouts.js';
import { clientFor, globalsOf, wholeNumber } from './settings.js';

type Filters = { device?: string; rollout?: string; kind?: string };
type Options = Filters & { limit: number; follow?: boolean };

/** The event log: who or what did what, when. */
export const events = (): Command =>
  example(
    new Command('events')
      .description('The event log, newest first')
      .option('--device <device>', 'of this device')
      .option('--rollout <rollout>', 'of this rollout: its name, id, or how the id begins')
      .option('--kind <kind>', 'of this kind, or of these, separated by commas')
      .option('--limit <n>', 'how many', wholeNumber, 50)
      .option('-f, --follow', 'go on with what happens from now on, oldest first, until interrupted')
      .action(async ({ limit, follow: goOn, ...filters }: Options, command: Command) => {
        const client = clientFor(command);
        const query = await queryOf(client, filters);
        if (goOn) return tell(command, client, query);
        const found = await client.events.list(query, limit);
        print(command, found, () => table(found.map(row), 'nothing has happened yet'));
      }),
    'flotilla events --device lyon-1 --limit 10',
  );

/** One line an event; with `--json` one JSON value a line. */
async function tell(command: Command, client: FlotillaClient, query: EventFilter): Promise<void> {
  const end = new AbortController();
  process.once('SIGINT', () => end.abort()).once('SIGTERM', () => end.abort());
  for await (const event of follow(client, query, end.signal)) {
    if (!event) continue;
    const line = globalsOf(command).json ? JSON.stringify(event) : lineOf(event);
    process.stdout.write(`${line}\n`);
  }
}

/** What devices wrote must not steer the terminal. */
const lineOf = ({ at, kind, device, message }: EventView) =>
  [at, kind, device, message]
    .filter(Boolean)
    .join('  ')
    .replaceAll(/\p{Cc}+/gu, ' ');

async function queryOf(client: FlotillaClient, { device, rollout, kind }: Filters): Promise<EventFilter> {
  return { device, kind, ...(rollout === undefined ? {} : { rollout: (await findRollout(client, rollout)).id }) };
}

const row = ({ at, kind, actor, device, message }: EventView) => ({ at, kind, actor, device, what: message });
