import { SlotName } from '@flotilla/protocol/device';
import { expect, it, vi } from 'vitest';
import { FedPort } from '../../fixtures/ports.js';
import type { Reading } from '../reading.js';
import { fields, statusOf } from './fields.js';
import { History } from './history.js';
import { Pace } from '../pace.js';
import { engineeringUnitsOf } from './units.js';

it('gives each quality its status: only a good one is Good', () => {
  expect(statusOf('good', true)).toBe('Good');
  expect(statusOf('uncertain', true)).toBe('UncertainSubNormal');
  expect(statusOf('drifting', true)).toBe('UncertainSubNormal');
  expect(statusOf('stale', true)).toBe('UncertainLastUsableValue');
  expect(statusOf('stale', false)).toBe('BadWaitingForInitialData');
  expect(statusOf('safe-mode', true)).toBe('BadOutOfService');
  expect(statusOf('safe-mode', false)).toBe('BadOutOfService');
});

it('has a value for each field before the first result', () => {
  const { port } = new FedPort('press');
  const shown = Object.fromEntries(fields.map(({ name, read }) => [name, read({ reading: port.latest, handshake: undefined })]));
  expect(shown).toMatchObject({ Class: '', ClassIndex: -1, Confidence: 0, InspectionState: '', Status: 'serving', Swaps: 0 });
  port.close();
});

it('knows the codes of units, however they are written, and takes no other word for one', () => {
  // Part 8, 5.6.3: "MMT" is 0x4D4D54.
  expect(engineeringUnitsOf('mm')).toMatchObject({ unitId: 0x4d_4d_54, displayName: 'mm' });
  expect(engineeringUnitsOf('°C')).toEqual(engineeringUnitsOf('Cel'));
  expect(engineeringUnitsOf('%')?.unitId).toBe(20_529);
  expect(engineeringUnitsOf('bananas')).toBeUndefined();
  expect(engineeringUnitsOf('constructor')).toBeUndefined();
  expect(engineeringUnitsOf(undefined)).toBeUndefined();
});

const { headline } = { headline: { label: 'a', index: 0, confidence: 1, count: 1, values: [] } };
const reading = (capturedAt: number, quality: Reading['quality'] = 'good', at = capturedAt): Reading => ({
  slot: SlotName.parse('press'),
  sequence: 0,
  quality,
  at,
  result: { capturedAt, latencyMs: 0, headline, prediction: undefined as never },
  status: undefined as never,
});
const times = (history: History, from?: number, to?: number, most = 0, newestFirst = false) =>
  history.within({ from, to }, most, newestFirst).map(({ at }) => at);

it('keeps so many readings and no older ones, and finds those of a span from either end', () => {
  const history = new History({ count: 3000, ageMs: 5000 });
  for (let at = 1; at <= 10_000; at++) history.push(reading(at), 'result');
  expect(history.length).toBe(3000);
  expect(times(history)).toHaveLength(3000);
  expect(times(history, 9999)).toEqual([9999, 10_000]);
  expect(times(history, undefined, 7002)).toEqual([7001, 7002]);
  expect(times(history, 8000, 9000, 2)).toEqual([8000, 8001]);
  expect(times(history, undefined, 9000, 2, true)).toEqual([9000, 8999]);
  history.push(reading(14_000), 'result');
  expect(times(history, undefined, 9000)).toEqual([9000]);
  expect(times(history, 20_000)).toEqual([]);
});

it('keeps a change of quality at the time when it was found, one that is none not at all, and of one time the last', () => {
  const history = new History({ count: 10, ageMs: 5000 });
  history.push(reading(1), 'result');
  history.push(reading(1, 'good', 3), 'status');
  history.push(reading(1, 'stale', 4), 'quality');
  history.push(reading(5, 'uncertain'), 'result');
  history.push(reading(5), 'result');
  expect(history.within({ from: undefined, to: undefined }, 0, false).map(({ at, status }) => [at, status])).toEqual([
    [1, 'Good'],
    [4, 'UncertainLastUsableValue'],
    [5, 'Good'],
  ]);
});

it('acts at once after a pause, and then once for all that comes within its time', () => {
  vi.useFakeTimers();
  try {
    let acted = 0;
    const pace = new Pace(25, () => (acted += 1));
    for (let asked = 0; asked < 100; asked++) pace.ask();
    expect(acted).toBe(1);
    vi.advanceTimersByTime(25);
    expect(acted).toBe(2);
    vi.advanceTimersByTime(100);
    expect(acted).toBe(2);
    pace.ask();
    pace.now();
    expect(acted).toBe(4);
    pace.ask();
    pace.stop();
    vi.advanceTimersByTime(100);
    expect(acted).toBe(4);
  } finally {
    vi.useRealTimers();
  }
});
