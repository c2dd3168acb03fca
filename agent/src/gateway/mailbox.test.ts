import { describe, expect, test } from 'vitest';
import { Mailbox } from './mailbox.js';
import type { Captured } from './source.js';

const picture = (name: string): Captured => ({ payload: { kind: 'encoded' }, bytes: new Uint8Array(1), capturedAt: 0, name });
const chunk = (name: string, bytes = 10): Captured => ({
  payload: { kind: 'signal', rate: 16_000, channels: 1 },
  bytes: new Uint8Array(bytes),
  capturedAt: 0,
  name,
});
const taken = (mailbox: Mailbox) => {
  const all: Captured[] = [];
  for (let next = mailbox.take(); next; next = mailbox.take()) all.push(next);
  return all.map(({ name, gap }) => (gap ? `gap ${name}` : name));
};

describe('of pictures', () => {
  test('the newest waits, and those that it replaces are counted', () => {
    const mailbox = new Mailbox();
    for (const name of ['a', 'b', 'c']) mailbox.put(picture(name));
    expect(mailbox.dropped).toBe(2);
    expect(taken(mailbox)).toEqual(['c']);
    expect(mailbox.empty).toBe(true);
  });

  test('one that is given back waits again, unless a newer one came', () => {
    const mailbox = new Mailbox();
    mailbox.giveBack(picture('a'));
    expect([taken(mailbox), mailbox.dropped]).toEqual([['a'], 0]);
    mailbox.put(picture('b'));
    mailbox.giveBack(picture('a'));
    expect([taken(mailbox), mailbox.dropped]).toEqual([['b'], 1]);
  });
});

describe('of a signal', () => {
  test('every chunk waits, in order', () => {
    const mailbox = new Mailbox();
    for (const name of ['a', 'b', 'c']) mailbox.put(chunk(name));
    expect([taken(mailbox), mailbox.dropped]).toEqual([['a', 'b', 'c'], 0]);
  });

  test.each([
    ['many', 300, 10, 44],
    ['large', 6, 2 * 1024 * 1024, 2],
  ])('of %s chunks the oldest go, and the next one tells of the gap', (_what, count, bytes, dropped) => {
    const mailbox = new Mailbox();
    for (let i = 0; i < count; i++) mailbox.put(chunk(String(i), bytes));
    expect(mailbox.dropped).toBe(dropped);
    const names = taken(mailbox);
    expect(names[0]).toBe(`gap ${dropped}`);
    expect(names.slice(1)).toEqual(Array.from({ length: count - dropped - 1 }, (_, i) => String(dropped + 1 + i)));
  });

  test('a chunk that is given back is the next', () => {
    const mailbox = new Mailbox();
    mailbox.put(chunk('b'));
    mailbox.giveBack(chunk('a'));
    expect(taken(mailbox)).toEqual(['a', 'b']);
  });
});
