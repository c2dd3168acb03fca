import { expect, test } from 'vitest';
import { Attempts } from './attempts.js';

test('after 20 refusals an address waits, and the others do not', () => {
  const attempts = new Attempts();
  for (let i = 0; i < 20; i++) {
    expect(attempts.waitS('10.0.0.1', 0)).toBe(0);
    attempts.failed('10.0.0.1', 0);
  }
  expect(attempts.waitS('10.0.0.1', 0)).toBe(5);
  expect(attempts.waitS('10.0.0.2', 0)).toBe(0);
  expect(attempts.waitS('10.0.0.1', 5000)).toBe(0);
});

test('the memory of refusals is bounded', () => {
  const attempts = new Attempts();
  for (let i = 0; i < 20; i++) attempts.failed('first', 0);
  for (let i = 0; i < 10_000; i++) attempts.failed(`address-${i}`, 1);
  expect(attempts.waitS('first', 1)).toBe(0);
});
