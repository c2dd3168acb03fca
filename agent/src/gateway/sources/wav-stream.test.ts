import { describe, expect, it } from 'vitest';
import { wav, wavHeader } from '../fixtures/wav.js';
import { type WavPart, WavStream } from './wav-stream.js';

const read = (...pieces: Uint8Array[]): WavPart[] => {
  const stream = new WavStream();
  return pieces.flatMap((piece) => [...stream.push(piece)]);
};
const samples = (parts: WavPart[]) => parts.flatMap((part) => ('samples' in part ? [...part.samples] : []));
const formats = (parts: WavPart[]) => parts.flatMap((part) => ('format' in part ? [part.format] : []));
const bytewise = (bytes: Buffer) => Array.from(bytes, (byte) => Uint8Array.of(byte));
const chunk = (id: string, body: Buffer) => {
  const head = Buffer.alloc(8);
  head.write(id);
  head.writeUInt32LE(body.byteLength, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.byteLength % 2)]);
};

describe('WavStream', () => {
  it('gives the format, then the samples, in pieces of any size', () => {
    const file = wav([0, 0.5, -0.5, -1], { rate: 8000, channels: 2 });
    for (const pieces of [[file], bytewise(file)]) {
      const parts = read(...pieces);
      expect(formats(parts)).toEqual([{ rate: 8000, channels: 2 }]);
      expect(samples(parts)).toEqual([0, 0.5, -0.5, -1]);
    }
  });

  it.each([
    ['8-bit', 8, 1, Buffer.from([0, 128, 192]), [-1, 0, 0.5]],
    ['24-bit', 24, 1, Buffer.from([0, 0, 0x80, 0, 0, 0x40, 0xff, 0xff, 0xff]), [-1, 0.5, -1 / 8_388_608]],
    ['32-bit', 32, 1, Buffer.from(Int32Array.of(-(2 ** 31), 2 ** 30).buffer), [-1, 0.5]],
    ['float', 32, 3, Buffer.from(Float32Array.of(0.25, -2).buffer), [0.25, -2]],
    ['double', 64, 3, Buffer.from(Float64Array.of(0.25, -2).buffer), [0.25, -2]],
  ])('reads %s samples', (_, bits, tag, data, expected) => {
    expect(samples(read(wavHeader({ rate: 8000, bits, tag }), data))).toEqual(expected);
  });

  it('reads the extensible form, whose format stands in a GUID', () => {
    const format = Buffer.alloc(40);
    format.writeUInt16LE(0xfffe, 0);
    format.writeUInt16LE(1, 2);
    format.writeUInt32LE(8000, 4);
    format.writeUInt16LE(16, 14);
    format.writeUInt16LE(1, 24);
    const file = Buffer.concat([Buffer.from('RIFF....WAVE'), chunk('fmt ', format), chunk('data', Buffer.from([0, 0x40]))]);
    expect(samples(read(file))).toEqual([0.5]);
  });

  it.each([0, 0xffff_ffff, 0xffff_fffe])('reads without end what announces %i bytes', (dataSize) => {
    const stream = new WavStream();
    const seen = [...stream.push(wavHeader({ rate: 8000, dataSize }))];
    for (let i = 0; i < 100; i += 1) seen.push(...stream.push(Buffer.alloc(1001)));
    expect(samples(seen)).toHaveLength(50_050);
  });

  it('passes over chunks that it does not know, with their padding, before and after the samples', () => {
    const header = wavHeader({ rate: 8000 });
    const list = chunk('LIST', Buffer.from('odd'));
    const file = Buffer.concat([header.subarray(0, 36), list, chunk('data', Buffer.from([0, 0x40])), list]);
    const parts = read(file, wav([0.25], { rate: 16_000 }));
    expect(samples(parts)).toEqual([0.5, 0.25]);
    expect(formats(parts)).toEqual([
      { rate: 8000, channels: 1 },
      { rate: 16_000, channels: 1 },
    ]);
  });

  it('passes over what of a frame is announced at the end', () => {
    const file = Buffer.concat([wavHeader({ rate: 8000, dataSize: 3 }), Buffer.from([0, 0x40, 7, 0])]);
    expect(samples(read(file, wav([0.25], { rate: 8000 })))).toEqual([0.5, 0.25]);
  });

  it.each([
    ['begin as a WAV', Buffer.from('{"temperature": 20}')],
    ['of the kind "AVI "', Buffer.from('RIFF....AVI LIST')],
    ['format 2 with 4 bits', wavHeader({ rate: 8000, tag: 2, bits: 4 })],
    ['0 channels', wavHeader({ rate: 8000, channels: 0 })],
    ['0 samples a second', wavHeader({ rate: 0 })],
    ['before their format', Buffer.concat([Buffer.from('RIFF....WAVE'), chunk('data', Buffer.alloc(4))])],
    ['announced with 2 bytes', Buffer.concat([Buffer.from('RIFF....WAVE'), chunk('fmt ', Buffer.alloc(2))])],
    ['no WAV', Buffer.concat([wav([0], { rate: 8000 }), Buffer.from([0, 1, 2, 3, 4, 5, 6, 7])])],
  ])('says why it can not go on: %s', (why, bytes) => {
    expect(() => read(bytes)).toThrow(new RegExp(why));
  });
});
