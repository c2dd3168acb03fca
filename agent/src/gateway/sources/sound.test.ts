import { AudioSource } from '@flotilla/protocol/device';
import { describe, expect, it } from 'vitest';
import { resampler } from '../../runner/pipeline/signal/resample.js';
import { tone } from '../fixtures/wav.js';
import { Sound, withChannels } from './sound.js';
import { StreamResampler } from './stream-resampler.js';

const noise = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i * 0.37) * 0.8);
const loudness = (samples: Float32Array) => Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);

describe('StreamResampler', () => {
  it.each([
    [44_100, 16_000],
    [48_000, 16_000],
    [8000, 16_000],
    [16_000, 44_100],
    [22_050, 8000],
  ])('makes of %i samples a second %i, piece by piece what the whole would give', (from, to) => {
    const whole = noise(5000);
    // Held to scipy's own results by the vectors of the release's signal steps.
    const expected = resampler(from, to)(whole);
    for (const size of [1, 17, 1000, 5000]) {
      const stream = new StreamResampler(from, to);
      const made: number[] = [];
      for (let at = 0; at < whole.length; at += size) made.push(...stream.push(whole.subarray(at, at + size)));
      expect(expected.length - made.length).toBeLessThanOrEqual(Math.ceil(11 * Math.max(1, to / from)));
      expect(Float32Array.from([...made, ...stream.end()])).toEqual(expected);
    }
  });

  it('lets no tone through that the new rate can not hold', () => {
    const stream = new StreamResampler(48_000, 16_000);
    const below = stream.push(Float32Array.from(tone(1000, 48_000, 48_000))).subarray(100);
    const above = new StreamResampler(48_000, 16_000).push(Float32Array.from(tone(12_000, 48_000, 48_000))).subarray(100);
    expect(loudness(below)).toBeCloseTo(0.5 / Math.SQRT2, 3);
    expect(20 * Math.log10(loudness(above) / loudness(below))).toBeLessThan(-60);
  });

  it('says of rates that share too little that it can not', () => {
    expect(() => new StreamResampler(44_101, 16_000)).toThrow('share too little');
  });
});

it.each([
  ['the mean of two', 2, 1, [1, 3, 2, 4], [2, 3]],
  ['one, twice', 1, 2, [1, 2], [1, 1, 2, 2]],
  ['the first two of three', 3, 2, [1, 2, 3, 4, 5, 6], [1, 2, 4, 5]],
  ['silence beside two', 2, 3, [1, 2], [1, 2, 0]],
])('channels: %s', (_, from, to, given, made) => {
  expect([...withChannels(Float32Array.from(given), from, to)]).toEqual(made);
});

describe('Sound', () => {
  const config = AudioSource.parse({ audio: '/x', rate: 1000, chunkMs: 10 });

  it('comes in chunks, and what is left at the end', () => {
    const sound = new Sound(config, 'x');
    expect([...sound.push({ format: { rate: 1000, channels: 1 } })]).toEqual([]);
    const chunks = [...sound.push({ samples: noise(25) }), ...sound.end()];
    expect(chunks.map(({ bytes, gap }) => [bytes.byteLength / 4, gap])).toEqual([
      [10, undefined],
      [10, undefined],
      [5, undefined],
    ]);
    expect(chunks[0]).toMatchObject({ payload: { kind: 'signal', rate: 1000, channels: 1 }, name: 'x' });
  });

  it('keeps its rate when another comes in the middle, and says that there is a break', () => {
    const sound = new Sound(config, 'x');
    const chunks = [
      ...sound.push({ format: { rate: 1000, channels: 1 } }),
      ...sound.push({ samples: noise(15) }),
      ...sound.push({ format: { rate: 2000, channels: 2 } }),
      ...sound.push({ samples: noise(2 * 100) }),
    ];
    expect(chunks.map(({ gap }) => gap)).toEqual([undefined, true, undefined, undefined, undefined]);
    expect(new Set(chunks.map(({ payload }) => JSON.stringify(payload))).size).toBe(1);
  });
});
