import { Calendar, type RolloutPreview } from '@flotilla/protocol';
import { Command } from 'commander';
import { ApiError } from './client.js';
import type { FlotillaClient } from './flotilla-client.js';
import { example, print, table } from './output.js';
import { clientFor, UsageError } from './settings.js';
import { readWritten } from './written-file.js';

type Asked = { file?: string; remove?: true };

export const calendar = () =>
  example(
    new Command('calendar')
      .description('Windows and blackouts of a group: shown, set from a file, or removed')
      .argument('<group>')
      .option('-f, --file <file>', 'the calendar it is to have (YAML or JSON)')
      .option('--remove', 'rollouts go by their own plan again')
      .action(async (group: string, { file, remove }: Asked, command: Command) => {
        if (file !== undefined && remove) throw new UsageError('either --file or --remove');
        const client = clientFor(command);
        if (remove) {
          await client.calendars.remove(group);
          return print(command, { removed: group }, () => `group ${group} has no calendar any more`);
        }
        if (file === undefined) return print(command, await client.calendars.show(group), describeCalendar);
        return print(command, await replaced(client, group, await readWritten(file, Calendar)), describeCalendar);
      }),
    'flotilla groups calendar lyon -f deploy/examples/calendar.yaml',
    'flotilla groups calendar lyon',
    'flotilla groups calendar lyon --remove',
  );

/** As it was read: of two who set one at the same time, one is told. */
async function replaced(client: FlotillaClient, group: string, calendar: Calendar): Promise<Calendar> {
  const before = await client.calendars.showTagged(group).catch((error: unknown) => {
    if (error instanceof ApiError && error.code === 'CALENDAR_NOT_FOUND') return undefined;
    throw error;
  });
  return client.calendars.set(group, calendar, before?.tag);
}

function describeCalendar({ windows = {}, blackouts = [] }: Calendar): string {
  const spans = (['download', 'activate'] as const).flatMap((kind) =>
    (windows[kind] ?? []).map(({ cron, duration, zone }) => ({
      what: kind,
      when: cron,
      for: hours(duration),
      zone,
      why: undefined,
    })),
  );
  const closed = blackouts.map(({ from, to, zone, reason }) => ({
    what: 'blackout',
    when: `${from} to ${to}`,
    for: undefined,
    zone,
    why: reason,
  }));
  return table([...spans, ...closed], 'nothing holds its devices back');
}

const hours = (seconds: number) => (seconds % 3600 === 0 ? `${seconds / 3600}h` : `${Math.round(seconds / 60)}m`);

/** When devices may next be offered a plan's release, and begin to run it. */
export const describeCalendars = (calendars: RolloutPreview['calendars']): string =>
  table(
    calendars.map(({ group, devices, offersFrom, activatesFrom, activatesUntil }) => ({
      calendar: group === undefined ? 'the plan' : `group ${group}`,
      devices,
      'offered from': offersFrom ?? 'never',
      'begins from': activatesFrom ?? 'never',
      until: activatesUntil ?? undefined,
    })),
    '',
  );
