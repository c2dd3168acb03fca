import { expect, it } from 'vitest';
import { Arrivals } from './arrivals.js';
import { Retained } from './retained.js';

it('keeps so many topics and bytes, and takes what makes room', () => {
  const retained = new Retained({ topics: 2, bytes: 100 });
  const admits = (topic: string, bytes: number) => retained.admits({ topic, payload: Buffer.alloc(bytes) });
  expect(admits('a', 40)).toBe(true);
  expect(admits('b', 40)).toBe(true);
  expect(admits('c', 1)).toBe(false);
  expect(admits('b', 80)).toBe(false);
  expect(admits('b', 50)).toBe(true);
  expect(admits('a', 0)).toBe(true);
  expect(admits('c', 40)).toBe(true);
});

it('takes a burst of connections, and then so many a second', () => {
  const arrivals = new Arrivals({ perS: 10, burst: 3 });
  expect([0, 0, 0, 0].map((now) => arrivals.admits(now))).toEqual([true, true, true, false]);
  expect(arrivals.admits(50)).toBe(false);
  expect(arrivals.admits(100)).toBe(true);
});
