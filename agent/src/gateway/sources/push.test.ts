import { describe, expect, it } from 'vitest';
import { CollectingSink } from '../fixtures/collecting-sink.js';
import { wav } from '../fixtures/wav.js';
import { PushedSource } from './push.js';

const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0]);
const png = Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1');
const webp = Buffer.from('RIFF....WEBPVP8 ');

function aSource(maxMb = 1) {
  const sink = new CollectingSink();
  const source = new PushedSource({ push: { maxMb } });
  source.start(sink);
  return { sink, source };
}

describe('what is pushed', () => {
  it.each([
    ['a JPEG', jpeg, 'image/jpeg', { kind: 'encoded' }],
    ['a PNG', png, 'image/png', { kind: 'encoded' }],
    ['a WebP', webp, 'image/webp', { kind: 'encoded' }],
    ['a picture that is called bytes', jpeg, 'application/octet-stream', { kind: 'encoded' }],
    ['a picture that comes without a type', jpeg, undefined, { kind: 'encoded' }],
    ['what curl calls a form', Buffer.from(' {"a": 1}'), 'application/x-www-form-urlencoded', { kind: 'features' }],
    ['features', Buffer.from('{"a": 1}'), 'application/json; charset=utf-8', { kind: 'features' }],
    ['a WAV', wav([0, 0.5], { rate: 8000, channels: 2 }), 'audio/wav', { kind: 'signal', rate: 8000, channels: 2 }],
  ])('%s is inferred', async (_, body, type, payload) => {
    const { sink, source } = aSource();
    expect(await source.push(body, type)).toBe('inferred');
    expect(sink.submitted).toMatchObject([{ payload }]);
  });

  it('hands a WAV on as its samples, and features without a byte order mark', async () => {
    const { sink, source } = aSource();
    await source.push(wav([0, 0.5], { rate: 8000 }), 'audio/x-wav');
    await source.push(Buffer.from('\uFEFF{"a":1}'), 'application/json');
    expect(sink.samples).toEqual([0, 0.5]);
    expect(sink.features).toEqual([{ a: 1 }]);
  });

  it.each([
    [400, 'it is empty', Buffer.alloc(0), 'image/jpeg'],
    [400, 'neither', Buffer.from('hello'), undefined],
    [400, 'begins as a JSON object, and is none', Buffer.from('{"a": '), 'application/json'],
    [400, 'content type says picture, its bytes are of the kind features', Buffer.from('{}'), 'image/png'],
    [400, 'holds no samples', wav([], { rate: 8000 }), 'audio/wav'],
    [400, 'format 2 with 4 bits', wav([0], { rate: 8000, tag: 2, bits: 4 }), 'audio/wav'],
    [413, 'maxMb', Buffer.alloc(1024 * 1024 + 1), 'image/jpeg'],
    [415, 'image/gif is not taken', Buffer.from('GIF89a'), 'image/gif'],
  ])('answers %i (%s)', async (status, why, body, type) => {
    const { sink, source } = aSource();
    await expect(source.push(body, type)).rejects.toMatchObject({ status, message: expect.stringContaining(why) as string });
    expect(sink.submitted).toEqual([]);
  });

  it.each(['refused', 'busy', 'unasked'] as const)('says that it came to nothing: %s', async (outcome) => {
    const { sink, source } = aSource();
    sink.answer = () => outcome;
    expect(await source.push(jpeg, 'image/jpeg')).toBe(outcome);
  });

  it('answers 503 after it was stopped', async () => {
    const { source } = aSource();
    await source.stop();
    await expect(source.push(jpeg, 'image/jpeg')).rejects.toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  it('answers 429 to a flood, and takes more once results are out', async () => {
    const { sink, source } = aSource();
    let finish = () => {};
    const through = new Promise<void>((resolve) => (finish = resolve));
    sink.answer = () => through.then(() => 'inferred');
    const first = Array.from({ length: 4 }, () => source.push(jpeg, 'image/jpeg'));
    await expect(source.push(jpeg, 'image/jpeg')).rejects.toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    finish();
    expect(await Promise.all(first)).toEqual(Array(4).fill('inferred'));
    expect(await source.push(jpeg, 'image/jpeg')).toBe('inferred');
  });
});
