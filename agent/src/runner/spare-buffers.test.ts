import { expect, test } from 'vitest';
import { SpareBuffers } from './spare-buffers.js';

test('a buffer that was given back is taken again, by whoever needs about as much', () => {
  const buffers = new SpareBuffers(1_000_000);
  const first = buffers.take(9000);
  buffers.give(first);
  expect(buffers.take(40_000)).not.toBe(first);
  expect(buffers.take(10_000)).toBe(first);
  expect(buffers.take(10_000)).not.toBe(first);
});

test('a buffer is long enough, also for nothing', () => {
  const buffers = new SpareBuffers(1_000_000);
  for (const bytes of [0, 1, 4096, 4097]) expect(buffers.take(bytes).byteLength).toBeGreaterThanOrEqual(bytes);
});

test('of more than is kept the oldest is freed at once', () => {
  const buffers = new SpareBuffers(20_000);
  const [old, recent] = [buffers.take(12_000), buffers.take(12_000)];
  buffers.give(old);
  buffers.give(recent);
  expect(old.detached).toBe(true);
  expect(buffers.take(12_000)).toBe(recent);
});

test('one that is too large to keep, or of a size that nobody asks for, is freed at once', () => {
  const buffers = new SpareBuffers(20_000);
  const [large, odd] = [buffers.take(50_000), new ArrayBuffer(100)];
  buffers.give(large);
  buffers.give(odd);
  expect([large.detached, odd.detached]).toEqual([true, true]);
});

test('what is gone already is no buffer to keep', () => {
  const buffers = new SpareBuffers(20_000);
  const buffer = buffers.take(4096);
  buffer.transfer(0);
  buffers.give(buffer);
  expect(buffers.take(4096).byteLength).toBe(4096);
});
