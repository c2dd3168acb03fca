import { expect, test } from 'vitest';
import { wantedRange } from './byte-range.js';

const etag = '"abc"';
const part = (start: number, end: number) => ({ kind: 'part', range: { start, end } });
const whole = { kind: 'whole' };
const unsatisfiable = { kind: 'unsatisfiable' };

test.each([
  [undefined, whole],
  ['bytes=0-', part(0, 99)],
  ['bytes=10-19', part(10, 19)],
  ['bytes=90-1000', part(90, 99)],
  ['bytes=-10', part(90, 99)],
  ['bytes=-1000', part(0, 99)],
  ['bytes=100-', unsatisfiable],
  ['bytes=-0', unsatisfiable],
  ['bytes=20-10', whole],
  ['bytes=0-1,5-6', whole],
  ['bytes=-', whole],
  ['lines=1-2', whole],
  ['garbage', whole],
])('range %s of 100 bytes', (range, expected) => {
  expect(wantedRange({ ...(range !== undefined && { range }) }, etag, 100)).toEqual(expected);
});

test('If-Range lets a download go on only with what it began with', () => {
  expect(wantedRange({ range: 'bytes=10-', ifRange: etag }, etag, 100)).toEqual(part(10, 99));
  expect(wantedRange({ range: 'bytes=10-', ifRange: '"other"' }, etag, 100)).toEqual(whole);
});

test('nothing of an empty artifact can be asked for in parts', () => {
  expect(wantedRange({ range: 'bytes=0-' }, etag, 0)).toEqual(unsatisfiable);
});
