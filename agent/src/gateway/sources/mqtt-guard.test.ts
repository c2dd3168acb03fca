import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guarded, type TooLarge } from './mqtt-guard.js';

const limit = 300;

function length(bytes: number): Buffer {
  const written: number[] = [];
  do written.push((bytes % 128) | (bytes >= 128 ? 0x80 : 0));
  while ((bytes = Math.floor(bytes / 128)) > 0);
  return Buffer.from(written);
}
const packet = (first: number, body: Buffer) => Buffer.concat([Buffer.of(first), length(body.length), body]);
const head = (topic: string, id?: number) => {
  const bytes = Buffer.alloc(2 + topic.length + (id === undefined ? 0 : 2));
  bytes.writeUInt16BE(topic.length);
  bytes.write(topic, 2);
  if (id !== undefined) bytes.writeUInt16BE(id, 2 + topic.length);
  return bytes;
};
const message = (topic: string, payload: Buffer, id?: number) =>
  packet(id === undefined ? 0x30 : 0x32, Buffer.concat([head(topic, id), payload]));

/** What comes through of bytes in pieces of one size. */
async function through(bytes: Buffer, size: number) {
  const tooLarge: TooLarge[] = [];
  const stream = new PassThrough({ highWaterMark: 10 * bytes.length + 1 });
  const guard = guarded(stream, limit, (large) => tooLarge.push(large));
  for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
  stream.end();
  const out: Buffer[] = [];
  for await (const piece of guard) out.push(piece as Buffer);
  return { out: Buffer.concat(out), tooLarge };
}

describe('before the parser of MQTT', () => {
  const connack = Buffer.of(0x20, 2, 0, 0);
  const ping = Buffer.of(0xd0, 0);
  const small = message('a/b', Buffer.from('{"t": 1}'), 7);
  const exact = message('a', Buffer.alloc(limit - 3));
  const large = (bytes: number) => message('line/1', Buffer.alloc(bytes, 1), 0x1234);

  it.each([1, 2, 5, 16, 1_000_000])('all that is small goes through as it is, in pieces of %i', async (size) => {
    const bytes = Buffer.concat([connack, small, ping, exact, small]);
    expect(await through(bytes, size)).toEqual({ out: bytes, tooLarge: [] });
  });

  it.each([1, 2, 5, 16, 1_000_000])('a message that is too large comes out empty, in pieces of %i', async (size) => {
    const bytes = Buffer.concat([small, large(400), ping, message('x', Buffer.alloc(20_000)), small]);
    expect(await through(bytes, size)).toEqual({
      out: Buffer.concat([small, large(0), ping, message('x', Buffer.alloc(0)), small]),
      tooLarge: [
        { topic: 'line/1', bytes: 400 },
        { topic: 'x', bytes: 20_000 },
      ],
    });
  });

  it('whatever comes, in whatever pieces, nothing beside is touched', async () => {
    const payload = fc.uint8Array({ maxLength: 900 }).map((bytes) => Buffer.from(bytes));
    const one = fc.tuple(
      fc.stringMatching(/^[a-z/]{1,60}$/),
      payload,
      fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(one, { maxLength: 8 }), fc.integer({ min: 1, max: 700 }), async (messages, size) => {
        const isLarge = ([topic, bytes, id]: (typeof messages)[number]) => head(topic, id).length + bytes.length > limit;
        const { out, tooLarge } = await through(Buffer.concat(messages.map((all) => message(...all))), size);
        expect(out).toEqual(
          Buffer.concat(messages.map((all) => message(all[0], isLarge(all) ? Buffer.alloc(0) : all[1], all[2]))),
        );
        expect(tooLarge).toEqual(messages.filter(isLarge).map(([topic, { length: bytes }]) => ({ topic, bytes })));
      }),
    );
  });
});
