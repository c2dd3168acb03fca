import { beforeEach, expect, test } from 'vitest';
import { RecentHeads } from './recent-heads.js';

let heads: RecentHeads<{ text: string }>;
let parsed: string[];
const read = (text: string) =>
  heads.read(Buffer.from(text), (bytes) => {
    const head = { text: bytes.toString() };
    if (head.text === 'bad') throw new Error('not a head');
    parsed.push(head.text);
    return head;
  });

beforeEach(() => {
  heads = new RecentHeads();
  parsed = [];
});

test('the same bytes are parsed once', () => {
  expect([read('a'), read('b'), read('a'), read('b')].map(({ text }) => text)).toEqual(['a', 'b', 'a', 'b']);
  expect(parsed).toEqual(['a', 'b']);
});

test('only the last few are kept', () => {
  for (const text of ['a', 'b', 'c', 'd', 'e', 'a']) expect(read(text).text).toBe(text);
  expect(parsed).toEqual(['a', 'b', 'c', 'd', 'e', 'a']);
});

test('what is no head is refused each time, and a long one is read each time', () => {
  for (const _ of [1, 2]) expect(() => read('bad')).toThrow('not a head');
  const long = 'x'.repeat(5000);
  read(long);
  read(long);
  expect(parsed).toEqual([long, long]);
});

test('the bytes may be written over afterwards', () => {
  const bytes = Buffer.from('first');
  heads.read(bytes, () => ({ text: 'first' }));
  bytes.write('other');
  expect(read('other').text).toBe('other');
  expect(read('first').text).toBe('first');
});
