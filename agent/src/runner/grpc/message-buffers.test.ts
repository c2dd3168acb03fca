import { describe, expect, test } from 'vitest';
import { Deframer, type Frame, framed } from './framing.js';
import { MessageBuffers } from './message-buffers.js';

describe('buffers for messages', () => {
  test('are used again for what fits them well', () => {
    const buffers = new MessageBuffers(20_000_000);
    const first = buffers.take(200_000);
    expect(first.length).toBeGreaterThanOrEqual(200_000);
    expect(buffers.take(200_000)).not.toBe(first);
    buffers.giveBack(first);
    expect(buffers.take(1000)).not.toBe(first);
    expect(buffers.take(190_000)).toBe(first);
  });

  test('beyond what is kept are freed, the oldest first', () => {
    const buffers = new MessageBuffers(20_000_000);
    const [old, large] = [buffers.take(1_000_000), buffers.take(4_000_000)];
    buffers.giveBack(old);
    buffers.giveBack(large);
    expect([old.length, large.length]).toEqual([0, expect.any(Number)]);
    expect(buffers.take(4_000_000)).toBe(large);
  });
});

test('more than may come at once is refused, until something was given back', () => {
  const buffers = new MessageBuffers(100_000);
  const lent = buffers.take(90_000);
  expect(() => buffers.take(50_000)).toThrow('more than 100000 bytes come at once; try again later');
  buffers.giveBack(lent);
  expect(buffers.take(50_000).length).toBeGreaterThanOrEqual(50_000);
});

describe('messages in pieces', () => {
  const whole = Buffer.concat(['a', 'b'.repeat(70_000), '', 'c'].flatMap((text) => framed([Buffer.from(text)])));

  test.each([1, 3, 4, 7, 5000, 100_000])('of %i bytes come out as they went in', (size) => {
    const texts: string[] = [];
    const buffers = new MessageBuffers(20_000_000);
    const deframer = new Deframer(100_000, buffers, ({ bytes, lent }: Frame) => {
      texts.push(bytes.toString());
      if (lent) buffers.giveBack(lent);
    });
    for (let i = 0; i < whole.length; i += size) deframer.push(whole.subarray(i, i + size));
    expect(texts).toEqual(['a', 'b'.repeat(70_000), '', 'c']);
    expect(deframer.midway).toBe(false);
  });

  test('know that they are not whole', () => {
    const deframer = new Deframer(100, new MessageBuffers(20_000_000), () => undefined);
    deframer.push(Buffer.from([0, 0]));
    expect(deframer.midway).toBe(true);
    expect(() => deframer.push(Buffer.from([0, 0, 101]))).toThrow('the message has 101 bytes, more than the 100 that are taken');
  });
});
