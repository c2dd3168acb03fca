import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Bursts } from './bursts.js';

let sent: string[];
let bursts: Bursts;
beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  bursts = new Bursts((json) => sent.push(json));
});
afterEach(() => {
  vi.useRealTimers();
});
const carry = (...all: string[]) => all.forEach((json) => bursts.carry(json, () => {}));

it('carries the first at once, and what follows together and in order', () => {
  carry('1', '2', '3');
  expect(sent).toEqual(['1']);
  vi.advanceTimersByTime(5);
  expect(sent).toEqual(['1', '2', '3']);
  vi.advanceTimersByTime(5);
  carry('4');
  expect(sent).toEqual(['1', '2', '3', '4']);
});

it('carries nothing once it is stopped', () => {
  carry('1', '2');
  bursts.stop();
  vi.advanceTimersByTime(50);
  expect(sent).toEqual(['1']);
});
