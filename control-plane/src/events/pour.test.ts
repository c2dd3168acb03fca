import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { pour, StreamEnd } from './pour.js';

const never = new AbortController().signal;

async function* endless(): AsyncGenerator<string> {
  for (let id = 1; ; id += 1) yield `id: ${id}\n\n`;
}
async function* ending(reason: unknown): AsyncGenerator<string> {
  yield 'id: 1\n\n';
  throw reason;
}

test('a reader that takes nothing is ended with the reason, and little was kept for it', async () => {
  const taken: string[] = [];
  const stuck = new Writable({ highWaterMark: 64, write: (chunk: Buffer) => void taken.push(String(chunk)) });
  expect(await pour(endless(), stuck, { slowAfterMs: 1, signal: never })).toBe('slow-reader');
  expect(stuck.writableLength).toBeLessThan(500);
  if (!stuck.destroyed) await once(stuck, 'close');
});

test('a reader that went away ends the stream', async () => {
  const gone = new PassThrough();
  gone.destroy();
  expect(await pour(endless(), gone, { slowAfterMs: 1, signal: never })).toBe('gone');
});

test('the last frame says why a stream ends', async () => {
  const reader = new PassThrough();
  const heard = text(reader);
  expect(await pour(ending(new StreamEnd('shutdown')), reader, { slowAfterMs: 1, signal: never })).toBe('shutdown');
  expect(await heard).toMatch(/^id: 1\n\nevent: end\ndata: \{"reason":"shutdown","detail":"the control plane stops.*\}\n\n$/);
});

test('a failure is told to the reader, and to us', async () => {
  const reader = new PassThrough();
  const heard = text(reader);
  await expect(pour(ending(new Error('no database')), reader, { slowAfterMs: 1, signal: never })).rejects.toThrow('no database');
  expect(await heard).toContain('"reason":"failed"');
});
