import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { BlobError, decodeBlob, encodeBlob } from './blob.js';
import { type AnyMemory, type Memory, type Remembers, recollect, windowKey } from './memory.js';
import { bytesOf, floatsOf } from './numbers.js';

const votes = (overrides: Partial<Remembers<string[]>> = {}): Remembers<string[]> => ({
  key: 'vote',
  signature: '{"of":3}',
  onSwap: 'carry',
  read: ({ value }) => z.array(z.string()).parse(value),
  write: (value) => ({ value }),
  ...overrides,
});
const numbers = (overrides: Partial<Remembers<Float32Array>> = {}): Remembers<Float32Array> => ({
  key: 'recurrent state',
  signature: 'FP32 [4]',
  onSwap: 'carry',
  onGap: 'reset',
  read: ({ data }) => floatsOf(data, 4),
  write: (value) => ({ data: bytesOf(value) }),
  ...overrides,
});
const stream = { digest: 'a', stream: 'camera' };
const both = (): AnyMemory[] => [votes(), numbers()];

/** A state in which both steps are settled. */
function written(steps = both()): Buffer {
  const memory = recollect(steps, undefined, stream);
  memory.keep(votes(), ['ok', 'ok'], true);
  memory.keep(numbers(), Float32Array.of(1, 2, 3, 4), true);
  return memory.written();
}
const recalled = (memory: Memory) => [memory.recall(votes()), memory.recall(numbers())];

describe('what is remembered', () => {
  test('comes back as it was', () => {
    const memory = recollect(both(), written(), stream);
    expect(recalled(memory)).toEqual([['ok', 'ok'], Float32Array.of(1, 2, 3, 4)]);
    expect(memory.uncertain()).toBeUndefined();
  });

  test('begins with nothing, which makes results uncertain until each step is certain', () => {
    const memory = recollect(both(), undefined, stream);
    expect(recalled(memory)).toEqual([undefined, undefined]);
    memory.keep(votes(), ['ok'], false);
    expect(memory.uncertain()).toBe('vote, recurrent state began anew: nothing is known of the stream before this');
    memory.keep(numbers(), Float32Array.of(1, 2, 3, 4), true);
    expect(memory.uncertain()).toBe('vote began anew: nothing is known of the stream before this');
    // The reason travels along.
    const later = recollect(both(), memory.written(), stream);
    later.keep(votes(), ['ok', 'ok'], false);
    expect(later.uncertain()).toBe('vote began anew: nothing is known of the stream before this');
    later.keep(votes(), ['ok', 'ok', 'ok'], true);
    expect(later.uncertain()).toBeUndefined();
  });

  test('a window says of itself whether it is whole', () => {
    const window = votes({ key: windowKey });
    const memory = recollect([window, votes()], undefined, stream);
    memory.keep(votes(), [], true);
    expect(memory.uncertain()).toBeUndefined();
    expect(memory.uncertain('it is cut')).toBe('window began anew: it is cut');
  });
});

describe('another release', () => {
  const takesOver = (...steps: AnyMemory[]) => recollect(steps, written(), { ...stream, digest: 'b' });
  test('carries what has the same signature, and what it wants to carry', () => {
    expect(recalled(takesOver(votes(), numbers()))).toEqual([['ok', 'ok'], Float32Array.of(1, 2, 3, 4)]);
    const memory = takesOver(votes({ onSwap: 'reset' }), numbers({ signature: 'FP32 [8]' }));
    expect(recalled(memory)).toEqual([undefined, undefined]);
    expect(memory.uncertain()).toBe(
      'vote began anew: another release serves (onSwap: reset); recurrent state began anew: it was FP32 [4], and is FP32 [8]',
    );
  });

  test('may remember more, or less', () => {
    const memory = takesOver(votes({ key: 'debounce' }));
    expect(memory.uncertain()).toBe('debounce began anew: the release before remembered nothing of the kind');
    expect(decodeBlob(memory.written()).parts).toEqual([]);
  });

  test('the same one resets nothing, whatever it wants of others', () =>
    expect(recalled(recollect([votes({ onSwap: 'reset' })], written(), stream))[0]).toEqual(['ok', 'ok']));
});

test('a gap empties what spans it, and nothing else', () => {
  const memory = recollect(both(), written(), { ...stream, gap: true });
  expect(recalled(memory)).toEqual([['ok', 'ok'], undefined]);
  expect(memory.uncertain()).toBe('recurrent state began anew: something of the stream was lost');
});

test('a state of another stream is none', () =>
  expect(recollect(both(), written(), { ...stream, stream: 'door' }).uncertain()).toContain('is of the stream "camera"'));

describe('a state that comes back otherwise than it went', () => {
  const usable = (state: Uint8Array) => {
    const memory = recollect(both(), state, stream);
    memory.uncertain();
    memory.written();
    return recalled(memory).some((value) => value !== undefined);
  };
  test('is used in no case where a byte is another', () => {
    const whole = written();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const broken = Buffer.from(whole);
        broken[at]! ^= by;
        expect(usable(broken)).toBe(false);
      }),
    );
  });

  test('nor where it is cut, or anything else', () => {
    const whole = written();
    fc.assert(fc.property(fc.nat(whole.length - 1), (length) => !usable(whole.subarray(0, length))));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !usable(bytes)));
  });

  test('and never harms, where somebody sealed it anew', () => {
    const sealed = (head: string, rest: Uint8Array) => {
      const blob = Buffer.concat([Buffer.from('FLS1'), Buffer.alloc(8), Buffer.from(head), rest]);
      blob.writeUInt32BE(Buffer.byteLength(head), 8);
      blob.writeUInt32BE(crc32(blob.subarray(8)), 4);
      return blob;
    };
    const part = fc.record({
      key: fc.constantFrom('vote', 'recurrent state', 'x'),
      signature: fc.constantFrom('{"of":3}', 'FP32 [4]', ''),
      value: fc.jsonValue(),
      bytes: fc.oneof(fc.integer({ min: -2, max: 40 }), fc.constant(16)),
      began: fc.option(fc.string(), { nil: undefined }),
    });
    const head = fc.oneof(
      fc.record({ digest: fc.constantFrom('a', 'b'), stream: fc.constant('camera'), parts: fc.array(part) }),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 64 }), (made, rest) => {
        const memory = recollect(both(), sealed(JSON.stringify(made), rest), stream);
        const [vote, state] = recalled(memory) as [string[] | undefined, Float32Array | undefined];
        expect(vote === undefined || vote.every((label) => typeof label === 'string')).toBe(true);
        expect(state === undefined || (state.length === 4 && state.every(Number.isFinite))).toBe(true);
        memory.written();
      }),
      { numRuns: 500 },
    );
  });

  test('is a mebibyte at most', () => {
    const parts = [{ key: 'a', signature: '', data: new Uint8Array(1024 * 1024) }];
    expect(() => encodeBlob({ digest: 'a', stream: 'b', parts })).toThrow(BlobError);
    expect(usable(Buffer.concat([Buffer.from('FLS1'), Buffer.alloc(1024 * 1024)]))).toBe(false);
  });
});
