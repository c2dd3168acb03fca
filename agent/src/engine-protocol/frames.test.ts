import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FrameReader, ProtocolFault, encodeHead, frameLimits } from './frames.js';

const whole = (head: object, payload: Uint8Array) => Buffer.concat([encodeHead(head, payload.byteLength), payload]);
const plain = (frames: Iterable<{ head: unknown; payload: ArrayBuffer }>) =>
  [...frames].map(({ head, payload }) => ({ head, payload: Buffer.from(payload).toString('hex') }));

test('the example of the documentation is what is really written', () => {
  const text = readFileSync(new URL('../../../docs/engine-protocol.md', import.meta.url), 'utf8');
  const dump = /```hex\n([\s\S]*?)```/.exec(text)![1]!;
  const bytes = Buffer.from(dump.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, ''), 'hex');
  const [frame] = new FrameReader().push(bytes);
  expect(frame!.head).toEqual({
    type: 'run',
    id: 2,
    tensors: [{ name: 'x', type: 'FP32', shape: [2], offset: 0, length: 8 }],
  });
  expect([...new Float32Array(frame!.payload, 0, 2)]).toEqual([1, -2]);
  expect(whole(frame!.head as object, Buffer.from(frame!.payload)).toString('hex')).toBe(bytes.toString('hex'));
});

test('frames come whole, however their bytes are cut', () => {
  const payloads = fc.uint8Array({ maxLength: 300 });
  const message = fc.record({ head: fc.record({ type: fc.string(), id: fc.nat() }), payload: payloads });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.infiniteStream(fc.integer({ min: 1, max: 200 })), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map(({ head, payload }) => whole(head, payload)));
      const reader = new FrameReader();
      const got: ReturnType<typeof plain> = [];
      for (let at = 0; at < bytes.length;) {
        const to = at + cuts.next().value!;
        got.push(...plain(reader.push(bytes.subarray(at, to))));
        at = to;
      }
      expect(got).toEqual(messages.map(({ head, payload }) => ({ head, payload: Buffer.from(payload).toString('hex') })));
    }),
  );
});

test('a payload begins at a multiple of 64 bytes and lies in a buffer of its own', () => {
  for (const name of ['a', 'a longer name', 'x'.repeat(100)]) expect(encodeHead({ name }, 4).length % 64).toBe(0);
  const [first, second] = new FrameReader().push(Buffer.concat([whole({}, Buffer.alloc(8, 1)), whole({}, Buffer.alloc(8, 2))]));
  expect(first!.payload).not.toBe(second!.payload);
});

const change = (at: number, bytes: number[]) => {
  const frame = whole({ type: 'close', id: 1 }, Buffer.alloc(0));
  frame.set(bytes, at);
  return frame;
};
test.each([
  ['another beginning', change(0, [0x48]), /begins with 484c454e, not with "FLEN"/],
  ['another version', change(4, [9]), /version 9 came, this side speaks 1/],
  ['a head without end', change(8, [0, 0, 0, 0x7f]), /limits are 2 and 1048576/],
  ['a head of no length', change(8, [0, 0, 0, 0]), /said to have 0 bytes/],
  ['a head that ends anywhere', change(8, [41]), /does not end at a multiple of 64/],
  ['a payload without end', change(16, [0, 0, 0, 0, 0, 1]), /payload is said to have 1099511627776 bytes/],
  ['a head that is no JSON', change(24, [0x5b]), /no JSON/],
])('%s is a fault', (_name, bytes, message) => {
  const read = () => [...new FrameReader().push(bytes)];
  expect(read).toThrow(ProtocolFault);
  expect(read).toThrow(message);
});

test('what the other side would refuse is not written', () => {
  expect(() => encodeHead({}, frameLimits.payloadBytes + 1)).toThrow(RangeError);
  expect(() => encodeHead({ reason: 'x'.repeat(frameLimits.headBytes) }, 0)).toThrow(RangeError);
});
