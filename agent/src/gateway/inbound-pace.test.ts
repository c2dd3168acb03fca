import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { InboundPace } from './inbound-pace.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A sender that has more without end, each as soon as it may. */
function flood(pace: InboundPace): { taken: number } {
  const count = { taken: 0 };
  const next = () => {
    count.taken += 1;
    pace.take(next);
  };
  next();
  return count;
}

it('reads a flood at the pace that it is given', () => {
  const count = flood(new InboundPace({ most: 10, everyMs: 100 }));
  expect(count.taken).toBe(10);
  vi.advanceTimersByTime(99);
  expect(count.taken).toBe(10);
  vi.advanceTimersByTime(901);
  expect(count.taken).toBe(110);
});

it('holds nobody up who says little', () => {
  const pace = new InboundPace({ most: 10, everyMs: 100 });
  const done = vi.fn();
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 9; j++) pace.take(done);
    vi.advanceTimersByTime(100);
  }
  expect(done).toHaveBeenCalledTimes(45);
});
