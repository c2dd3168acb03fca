import { arrayOf, arrayOfLists } from '@flotilla/control-plane/telemetry/unnest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aDatabase, type Database } from '../support/postgres.js';

let db: Database;
let close: () => Promise<void>;
beforeAll(async () => ({ db, close } = await aDatabase()));
afterAll(() => close());

const asRead = async (literal: string): Promise<unknown> =>
  (await db.query<{ read: unknown }[]>('SELECT $1::text[] read', [literal]))[0]!.read;

it.each([
  ['plain text', ['inspection', 'model.int8.onnx']],
  ['nothing', []],
  ['what has no value, and what only reads so', [null, 'null', 'NULL', '']],
  ['quotes and backslashes', ['a"b', String.raw`a\b`, String.raw`\\n`, '{x,y}', "it's"]],
  ['control characters', ['two\nlines', 'tab\t', '\u0001', '\f\b\r', 'a"b\\c\n', null]],
  ['other alphabets', ['Prüfstand', '検査', '\u2028']],
])('PostgreSQL reads %s as it was meant', async (_, values) => {
  expect(await asRead(arrayOf(values))).toEqual(values);
});

it('PostgreSQL reads numbers and truth values as they were meant', async () => {
  const [{ numbers, truths }] = (await db.query('SELECT $1::float8[] numbers, $2::bool[] truths', [
    arrayOf([1, -2.5, 1e-7, 2 ** 53, undefined]),
    arrayOf([true, false, null]),
  ])) as [{ numbers: unknown; truths: unknown }];
  expect([numbers, truths]).toEqual([
    [1, -2.5, 1e-7, 2 ** 53, null],
    [true, false, null],
  ]);
});

it.each([
  ['all there', [[1, 2], [], [3]], ['{1,2}', '{}', '{3}']],
  ['some absent', [[1, 2], null, undefined, []], ['{1,2}', null, null, '{}']],
  ['none', [], []],
])('PostgreSQL reads lists, %s, each as the text of an array', async (_, lists, texts) => {
  expect(await asRead(arrayOfLists(lists))).toEqual(texts);
});
