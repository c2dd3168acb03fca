import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { eventually } from '../../../fixtures/eventually.js';
import { JointWrites } from './joint-writes.js';

function joined() {
  const writes: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => done(void writes.push(String(chunk))),
    writev: (chunks, done) => done(void writes.push(chunks.map(({ chunk }) => String(chunk)).join(''))),
  });
  const joint = new JointWrites(stream);
  const say = (text: string) => {
    joint.next();
    stream.write(text);
  };
  return { writes, stream, say };
}

it('writes the first at once, and what follows within a moment together, in its order', async () => {
  const { writes, say } = joined();
  for (const text of ['a', 'b', 'c', 'd']) say(text);
  expect(writes).toEqual(['a']);
  await eventually(() => writes.length === 2);
  expect(writes).toEqual(['a', 'bcd']);
});

it('keeps nothing back when the stream is ended', async () => {
  const { writes, stream, say } = joined();
  for (const text of ['a', 'b', 'c']) say(text);
  await new Promise<void>((done) => stream.end(() => done()));
  expect(writes.join('')).toBe('abc');
});
