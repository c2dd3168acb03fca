import { expect, test } from 'vitest';
import { Precondition, tagOf } from './preconditions.js';

const [now, before] = [tagOf({ site: 'lyon' }), tagOf({ site: 'turin' })];
const codeOf = (change: () => unknown) => {
  try {
    change();
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test.each([
  [undefined, now, 'done'],
  [now, now, 'done'],
  [`${before}, ${now}`, now, 'done'],
  ['*', now, 'done'],
  [before, now, 'PRECONDITION_FAILED'],
  ['', now, 'PRECONDITION_FAILED'],
  [`W/${now}`, now, 'PRECONDITION_FAILED'],
  [now, undefined, 'PRECONDITION_FAILED'],
  ['*', undefined, 'PRECONDITION_FAILED'],
])('If-Match %s on %s: %s', (header, current, expected) => {
  expect(codeOf(() => new Precondition(header).check('device a', current))).toBe(expected);
});

test('what replaces something whole asks for a precondition', () => {
  expect(codeOf(() => new Precondition().mustBeGiven('the labels'))).toBe('PRECONDITION_REQUIRED');
  expect(codeOf(() => new Precondition('*').mustBeGiven('the labels'))).toBe('done');
});
