import { Calendar } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { calendarProblems, openingsOf } from './openings-of.js';

const paris = (cron: string, duration: string) => ({ cron, duration, zone: 'Europe/Paris' });
const spanAt = (calendar: object, at: string) => {
  const span = openingsOf(Calendar.parse(calendar)).activates(Date.parse(at));
  return span && [new Date(span.from).toISOString(), new Date(span.to).toISOString()];
};
const activate = (cron: string, duration: string) => ({ windows: { activate: paris(cron, duration) } });

describe('a window', () => {
  it.each([
    [
      'opens by the local clock, in winter',
      activate('0 22 * * 1-5', '6h'),
      '2026-01-05T12:00:00Z',
      '2026-01-05T21:00:00.000Z',
      6,
    ],
    ['and in summer', activate('0 22 * * 1-5', '6h'), '2026-07-06T12:00:00Z', '2026-07-06T20:00:00.000Z', 6],
    ['is open past midnight', activate('0 22 * * 1-5', '6h'), '2026-01-06T02:30:00Z', '2026-01-05T21:00:00.000Z', 6],
    ['that is over waits for the next', activate('0 22 * * 1-5', '6h'), '2026-01-10T03:00:00Z', '2026-01-12T21:00:00.000Z', 6],
    [
      'over the change to summer time lasts as long as any other',
      activate('0 22 * * *', '6h'),
      '2026-03-28T22:00:00Z',
      '2026-03-28T21:00:00.000Z',
      6,
    ],
    ['over the change back too', activate('0 22 * * *', '6h'), '2026-10-24T22:00:00Z', '2026-10-24T20:00:00.000Z', 6],
    [
      'at 02:30 opens at 03:00 local on the day without one',
      activate('30 2 * * *', '1h'),
      '2026-03-28T12:00:00Z',
      '2026-03-29T01:00:00.000Z',
      1,
    ],
    ['at 02:30 opens at the first of two', activate('30 2 * * *', '1h'), '2026-10-24T12:00:00Z', '2026-10-25T00:30:00.000Z', 1],
    ['and not again at the second', activate('30 2 * * *', '1h'), '2026-10-25T01:30:00Z', '2026-10-26T01:30:00.000Z', 1],
  ])('%s', (_name, calendar, at, from, hours) => {
    expect(spanAt(calendar, at)).toEqual([from, new Date(Date.parse(from) + hours * 3_600_000).toISOString()]);
  });

  it('is one of several', () => {
    const calendar = { windows: { activate: [paris('0 6 * * *', '1h'), paris('0 22 * * *', '1h')] } };
    expect(spanAt(calendar, '2026-01-05T12:00:00Z')).toEqual(['2026-01-05T21:00:00.000Z', '2026-01-05T22:00:00.000Z']);
  });

  it('for downloads says nothing of activation', () => {
    const { offers, activates } = openingsOf(Calendar.parse({ windows: { download: paris('0 12 * * *', '1h') } }));
    const noon = Date.parse('2026-01-05T11:30:00Z');
    expect([offers(noon)!.from <= noon, offers(noon + 3_600_000)!.from <= noon + 3_600_000]).toEqual([true, false]);
    expect(activates(noon)).toEqual({ from: -Infinity, to: Infinity });
  });
});

describe('a blackout', () => {
  it('of days holds from the first midnight to the last, by the local clock', () => {
    const blackouts = [{ from: '2026-12-24', to: '2026-12-26', zone: 'Europe/Paris', reason: 'the line must not stop' }];
    expect(openingsOf(Calendar.parse({ blackouts })).offers(Date.parse('2026-12-25T10:00:00Z'))!.from).toBe(
      Date.parse('2026-12-26T23:00:00Z'),
    );
  });
  it('takes its part of a window', () => {
    const blackouts = [{ from: '2026-01-05T21:00:00Z', to: '2026-01-05T23:30:00Z' }];
    expect(spanAt({ ...activate('0 22 * * *', '6h'), blackouts }, '2026-01-05T12:00:00Z')).toEqual([
      '2026-01-05T23:30:00.000Z',
      '2026-01-06T03:00:00.000Z',
    ]);
  });
});

describe('a calendar is refused that', () => {
  const now = Date.parse('2026-01-05T12:00:00Z');
  it.each([
    [
      'cannot be read',
      activate('61 2 * * *', '1h'),
      'windows.activate: cron "61 2 * * *": CronPattern: Invalid value for minute: 61',
    ],
    ['never comes', activate('0 0 30 2 *', '1h'), 'windows.activate: cron "0 0 30 2 *": never comes'],
    [
      'leaves no time',
      { ...activate('0 22 * * *', '1h'), blackouts: [{ from: '2026-01-01', to: '2999-01-01' }] },
      'its activate windows and blackouts leave no time within a year at which a device could begin to run it',
    ],
  ])('%s', (_name, calendar, problem) => expect(calendarProblems(Calendar.parse(calendar), now).at(-1)).toBe(problem));
  it.each([
    [{ windows: { activate: paris('0 22 * *', '1h') } }, 'five fields'],
    [{ windows: { activate: { ...paris('0 22 * * *', '1h'), zone: 'Europe/Pari' } } }, 'time zone'],
    [{ windows: { activate: paris('0 22 * * *', '90d') } }, '31d'],
    [{ blackouts: [{ from: '2026-12-24', to: '2026-12-23' }] }, 'on the day on which it begins'],
  ])('is not one: %j', (calendar, words) => expect(JSON.stringify(Calendar.safeParse(calendar).error?.issues)).toContain(words));
});
