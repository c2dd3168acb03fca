import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { attended } from './attended.js';

async function* letters(made: string[]): AsyncGenerator<string> {
  for (const letter of 'abcdef') {
    made.push(letter);
    yield letter;
  }
}

it('gives up whoever takes nothing any more, and makes nothing more for it', async () => {
  const made: string[] = [];
  const gaveUp = new AbortController();
  const stream = Readable.from(
    attended(letters(made), 5, () => gaveUp.abort()),
    { highWaterMark: 1, signal: gaveUp.signal },
  );
  const ended = new Promise((resolve) => stream.once('error', resolve));
  stream.read(0);
  expect(await ended).toMatchObject({ name: 'AbortError' });
  expect(made).toEqual(['a']);
});

it('leaves in peace whoever takes all', async () => {
  let all = '';
  for await (const letter of attended(letters([]), 5, () => expect.unreachable())) all += letter;
  expect(all).toBe('abcdef');
});
