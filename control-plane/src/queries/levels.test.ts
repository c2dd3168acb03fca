import { describe, expect, it } from 'vitest';
import { type Ask, planOf } from './levels.js';

const at = (text: string) => Date.parse(`2026-11-${text}Z`);
const day = 86_400_000;
const kept = { raw: 30 * day, minute: 7 * day, hour: 90 * day, day: Infinity };
const asked = (from: string, to: string, more: Partial<Ask> = {}): Ask => ({
  rows: 'device',
  from: at(from),
  to: at(to),
  now: at('27T06:30'),
  devices: 10_000,
  windowS: 10,
  ...more,
});
const short = (time: number) => new Date(time).toISOString().slice(8, 16);
const read = (ask: Ask) => planOf(ask, kept).parts.map(({ level, from, to }) => `${level} ${short(from)} ${short(to)}`);

describe('the level', () => {
  it('is raw where that is little', () => {
    expect(read(asked('27T05:30:10', '27T06:30', { devices: 6 }))).toEqual(['raw 27T05:30 27T06:30']);
    expect(planOf(asked('27T05:30:10', '27T06:30', { devices: 6 }), kept).from).toBe(at('27T05:30:10'));
  });

  it('is that of the fleet for as many devices as there are: whole days, and what is left at both ends', () => {
    expect(read(asked('24T22:58:30', '27T06:30:01', { rows: 'fleet' }))).toEqual([
      'minute 24T22:58 24T23:00',
      'hour 24T23:00 25T00:00',
      'day 25T00:00 27T00:00',
      'hour 27T00:00 27T06:00',
      'minute 27T06:00 27T06:31',
    ]);
  });

  it('of vitals is fine for longer, as their rows are small, and raw where nothing is rolled up yet', () => {
    const vitals = (from: string, more: Partial<Ask> = {}) =>
      planOf(asked(from, '27T06:30', { of: 'vitals', ...more }), kept).level;
    expect([vitals('27T06:29'), vitals('01T00:00'), vitals('01T00:00', { devices: 20_000 })]).toEqual(['raw', 'hour', 'day']);
    expect(vitals('27T06:00', { levels: ['raw'] })).toBe('raw');
    expect(() => vitals('26T00:00', { levels: ['raw'] })).toThrow(/too much to put together from raw/);
  });

  it('has whole hours of a few devices for a month', () => {
    expect(read(asked('01T12:30', '27T06:30', { devices: 100 }))).toEqual([
      'hour 01T12:00 02T00:00',
      'day 02T00:00 27T00:00',
      'hour 27T00:00 27T07:00',
    ]);
  });

  it('is by day where hours of all devices would take too long', () => {
    expect(read(asked('26T06:30', '27T06:30'))).toEqual(['day 26T00:00 28T00:00']);
    expect(read(asked('27T02:30', '27T06:30'))).toEqual(['hour 27T02:00 27T07:00']);
  });

  it('is one that reaches back as far as was asked', () => {
    expect(read(asked('10T06:30', '10T07:29:30', { rows: 'fleet' }))).toEqual(['hour 10T06:00 10T08:00']);
    expect(read(asked('27T05:30', '27T06:30', { devices: 6, now: at('27T06:30') + 40 * day }))).toEqual([
      'hour 27T05:00 27T07:00',
    ]);
  });

  it('is no coarser than the step, and as it was asked for', () => {
    expect(read(asked('25T06:30', '27T06:30', { rows: 'fleet', step: 'hour' }))).toEqual([
      'hour 25T06:00 27T06:00',
      'minute 27T06:00 27T06:30',
    ]);
    expect(read(asked('25T06:30', '27T06:30', { devices: 3, level: 'day' }))).toEqual(['day 25T00:00 28T00:00']);
  });

  it.each<[string, Ask, RegExp]>([
    ['a step too short', asked('20T06:30', '27T06:30', { step: 'minute' }), /10080 buckets of one minute each, and at most 1000/],
    [
      'minutes of single devices',
      asked('27T06:00', '27T06:30', { level: 'minute' }),
      /not kept by minute: choose one of raw, hour, day/,
    ],
    [
      'a level coarser than the step',
      asked('26T06:00', '27T06:30', { level: 'day', step: 'hour' }),
      /hours cannot be made of whole days/,
    ],
    [
      'too much of it',
      asked('20T06:00', '27T06:30', { level: 'raw' }),
      /too much to put together from raw windows: ask for less/,
    ],
    ['too much, by minute', asked('27T02:00', '27T06:30', { step: 'minute' }), /too much to put together from raw windows/],
  ])('refuses %s in words', (_what, ask, words) => expect(() => planOf(ask, kept)).toThrow(words));
});
