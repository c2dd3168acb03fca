import type { Blackout, Calendar, MaintenanceWindow } from '@flotilla/protocol';
import { Cron } from 'croner';
import { allOf, always, anyOf, type Openings, outside, type Span } from '../core/openings.js';

/** When devices may be offered a release, and when they may begin to run it. */
export type CalendarOpenings = Readonly<{ offers: Openings; activates: Openings }>;

/**
 * Local time decides when a window opens, the clock that never jumps how long it lasts. An opening that a change to summer time
 * leaves out comes as the clocks jump; one that the change back repeats comes the first time only.
 */
export function openingsOf({ windows = {}, blackouts = [] }: Calendar): CalendarOpenings {
  const lit = blackouts.length === 0 ? [] : [outside(blackouts.map(spanOf))];
  const within = (list: readonly MaintenanceWindow[] | undefined) =>
    lit.length === 0 && !list ? always : allOf([...(list ? [anyOf(list.map(windowOpenings))] : []), ...lit]);
  return { offers: within(windows.download), activates: within(windows.activate) };
}

function windowOpenings({ cron: pattern, duration, zone }: MaintenanceWindow): Openings {
  const cron = new Cron(pattern, { timezone: zone });
  const ms = duration * 1000;
  return (at) => {
    const opens = cron.nextRun(new Date(at - ms))?.getTime();
    return opens === undefined ? undefined : { from: opens, to: opens + ms };
  };
}

function spanOf({ from, to, zone }: Blackout): Span {
  return { from: momentOf(from, zone), to: momentOf(isDay(to) ? dayAfter(to) : to, zone) };
}

const isDay = (text: string) => text.length === 'yyyy-mm-dd'.length;
const dayAfter = (day: string) => new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
const momentOf = (text: string, zone: string) =>
  isDay(text) ? new Cron(`${text}T00:00:00`, { timezone: zone }).nextRun(new Date(0))!.getTime() : Date.parse(text);

const horizonMs = 400 * 86_400_000;

/** What cannot be read, or never lets anything happen, in words. */
export function calendarProblems(calendar: Calendar, at: number): string[] {
  const unread = (['download', 'activate'] as const).flatMap((kind) =>
    (calendar.windows?.[kind] ?? []).flatMap(({ cron, zone }) => {
      const problem = cronProblem(cron, zone);
      return problem === undefined ? [] : [`windows.${kind}: cron "${cron}": ${problem}`];
    }),
  );
  if (unread.length > 0) return unread;
  const { offers, activates } = openingsOf(calendar);
  const soon = (openings: Openings) => (openings(at)?.from ?? Infinity) <= at + horizonMs;
  return [
    ...(soon(offers)
      ? []
      : ['its download windows and blackouts leave no time within a year at which a device could be offered anything']),
    ...(soon(activates)
      ? []
      : ['its activate windows and blackouts leave no time within a year at which a device could begin to run it']),
  ];
}

function cronProblem(pattern: string, timezone: string): string | undefined {
  try {
    return new Cron(pattern, { timezone }).nextRun() ? undefined : 'never comes';
  } catch (error) {
    return (error as Error).message;
  }
}
