import { binsOf, melFrames } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { vectors } from './fixtures/vectors.js';
import { realTransform } from './fourier.js';
import { logMelOf } from './log-mel.js';
import { resampler } from './resample.js';
import { spectrumOf } from './spectrum.js';
import { detrend, standardise } from './trend.js';
import { readWav } from './wav.js';

/** The largest difference, in units of the largest value there is. */
function farthest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  const most = Math.max(...Array.from(expected, Math.abs), 1e-30);
  return Math.max(...Array.from(actual, (value, i) => Math.abs(value - expected[i]!))) / most;
}
/** What a Float32Array holds of numbers in double precision is exact to 6e-8. */
const tolerance = 1e-6;

test.each(vectors.fourier)('the Fourier transform of $signal.length samples is numpy’s', ({ signal, re, im }) => {
  const transform = realTransform(signal.length);
  transform(Float64Array.from(signal, () => 7));
  const found = transform(Float64Array.from(signal));
  const most = Math.max(...re.map(Math.abs), ...im.map(Math.abs));
  const apart = (a: Float64Array, b: Float32Array) => Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
  expect([found.re.length, found.im.length]).toEqual([re.length, im.length]);
  expect(Math.max(apart(found.re, re), apart(found.im, im)) / most).toBeLessThan(tolerance);
});

test.each(vectors.spectra)('the spectrum of $signal.length samples, $options, is scipy’s', ({ signal, options, values }) => {
  const spectrum = new Float32Array(binsOf(signal.length));
  spectrumOf(signal.length, options)(signal, spectrum);
  expect(farthest(spectrum, values)).toBeLessThan(options.log ? 1e-5 : tolerance);
});

test.each(vectors.mels)(
  'mel spectra with $options.mels bands, $options.formula, $options.centre, are librosa’s',
  ({ options, shape, values }) => {
    expect([options.mels, melFrames(vectors.signal.length, options)]).toEqual(shape);
    const mel = new Float32Array(values.length);
    logMelOf(vectors.signal.length, vectors.rate, options)(vectors.signal, mel);
    expect(farthest(mel, values)).toBeLessThan(options.log ? 1e-5 : tolerance);
  },
);

describe('resampling', () => {
  const { signal, cases } = vectors.resampling;
  test.each(cases)('from $from to $to is scipy’s', ({ from, to, values }) => {
    expect(farthest(resampler(from, to)(signal), values)).toBeLessThan(tolerance);
  });
  test('of rates that share too little is refused', () => {
    expect(() => resampler(44_101, 16_000)).toThrow("44101 samples a second can't be made 16000: the two share too little");
  });
});

const { signal: drifting, constant, linear, ...standards } = vectors.trends;
test.each([
  ['constant', constant],
  ['linear', linear],
] as const)('a %s trend is taken away as by scipy', (type, expected) => {
  const values = drifting.slice();
  detrend(values, type);
  expect(farthest(values, expected)).toBeLessThan(tolerance);
});

test.each(['unit-variance', 'unit-range', 'unit-peak'] as const)('%s is numpy’s', (to) => {
  const values = drifting.slice();
  standardise(values, to, 1e-7);
  expect(farthest(values, standards[to])).toBeLessThan(tolerance);
});

test.each(['unit-variance', 'unit-range', 'unit-peak'] as const)('silence stays silence with %s', (to) => {
  const silence = new Float32Array(8);
  standardise(silence, to, 1e-7);
  expect([...silence]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});

test.each(vectors.wavs)('$what with $channels channels is what libsndfile reads', ({ file, samples, rate, channels }) => {
  const sound = readWav(file);
  expect([sound.rate, sound.channels]).toEqual([rate, channels]);
  expect(sound.data).toEqual(samples);
});
