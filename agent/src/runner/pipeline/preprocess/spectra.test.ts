import { PreprocessStep, preprocessProblem, preprocessing } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { run } from '../fixtures/prepared.js';
import { vectors } from '../signal/fixtures/vectors.js';
import type { Made, SignalWindow } from '../stages.js';

const parsed = (...steps: object[]) => steps.map((step) => PreprocessStep.parse(step));
/** A window with a copy of each channel: steps change it in place. */
const window = (...planes: Float32Array[]): SignalWindow => ({
  kind: 'window',
  planes: planes.map((plane) => plane.slice()),
  rate: vectors.rate,
  at: 0,
  uncertain: undefined,
});
const made = async (first: SignalWindow, ...steps: object[]) => (await run(first, parsed(...steps))) as Made;
const farthest = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i]!)));

const { signal, mels, spectra } = vectors;
const [{ options, shape, values }] = mels as [(typeof mels)[number]];
const [bands, times] = shape as [number, number];
const other = signal.map((value) => value / 3);
const logMel = (overrides: object = {}) => ({ 'log-mel': { ...options, layout: 'NMT', ...overrides } });

describe('log-mel', () => {
  test('has bands and times in the order of the model', async () => {
    const [rows, columns] = [await made(window(signal), logMel()), await made(window(signal), logMel({ layout: 'NTM' }))];
    expect([rows.type, rows.shape, columns.shape]).toEqual(['FP32', [1, bands, times], [1, times, bands]]);
    expect(farthest(rows.data as Float32Array, values)).toBeLessThan(1e-3);
    const turned = values.map((_, i) => values[(i % bands) * times + Math.floor(i / bands)]!);
    expect(farthest(columns.data as Float32Array, turned)).toBeLessThan(1e-3);
  });
  test('of several channels has one after the other, each by itself', async () => {
    const { shape: made2, data } = await made(window(other, signal), logMel({ layout: 'NCMT' }));
    expect(made2).toEqual([1, 2, bands, times]);
    expect(farthest((data as Float32Array).subarray(bands * times), values)).toBeLessThan(1e-3);
  });
  test('is brought to the model’s scale at last', async () => {
    const { data } = await made(window(signal), logMel({ scale: { mean: -40, std: 20 } }));
    expect(
      farthest(
        data as Float32Array,
        values.map((value) => (value + 40) / 20),
      ),
    ).toBeLessThan(1e-4);
  });
});

describe('spectrum', () => {
  const [{ signal: samples, options: how, values: bins }] = spectra as [(typeof spectra)[number]];
  test('of several channels has them first or last', async () => {
    const two = window(
      samples,
      samples.map((value) => 2 * value),
    );
    const first = await made(two, { spectrum: { ...how, layout: 'NCF' } });
    const last = await made(two, { spectrum: { ...how, layout: 'NFC' } });
    expect([first.shape, last.shape]).toEqual([
      [1, 2, bins.length],
      [1, bins.length, 2],
    ]);
    const [rows, pairs] = [first.data as Float32Array, last.data as Float32Array];
    expect(farthest(rows.subarray(0, bins.length), bins)).toBeLessThan(1e-4);
    expect(pairs.filter((_, i) => i % 2 === 1)).toEqual(rows.subarray(bins.length));
  });
  test('of a sine is its amplitude at its frequency, whatever the taper', async () => {
    const sine = Float32Array.from({ length: 400 }, (_, i) => 0.7 * Math.sin((2 * Math.PI * 1000 * i) / 16_000) + 0.25);
    for (const taper of ['hann', 'hamming', 'none']) {
      const { data } = await made(window(sine), { spectrum: { taper, values: 'magnitude', scaling: 'amplitude', layout: 'NF' } });
      expect((data as Float32Array)[25]).toBeCloseTo(0.7, 5);
      expect((data as Float32Array)[0]).toBeCloseTo(0.25, 5);
    }
  });
});

describe('before that a window may be levelled', () => {
  const { signal: drifting, linear, 'unit-variance': even } = vectors.trends;
  const waveform = { waveform: { layout: 'NCT' } };
  test('by its trend, each channel by itself', async () => {
    const { data } = await made(
      window(
        drifting,
        drifting.map((value) => -value),
      ),
      { detrend: { type: 'linear' } },
      waveform,
    );
    const all = data as Float32Array;
    expect(farthest(all.subarray(0, 200), linear)).toBeLessThan(1e-5);
    expect(
      farthest(
        all.subarray(200),
        linear.map((value) => -value),
      ),
    ).toBeLessThan(1e-5);
  });
  test('by what it holds', async () => {
    const { data } = await made(window(drifting), { standardise: { to: 'unit-variance' } }, waveform);
    expect(farthest(data as Float32Array, even)).toBeLessThan(1e-5);
  });
  test('by numbers of the training set, one pair for all or one for each channel', async () => {
    const planes = () => window(Float32Array.of(10, 20), Float32Array.of(-1, 1));
    const own = await made(
      planes(),
      {
        scale: [
          { mean: 10, std: 5 },
          { min: -1, max: 1 },
        ],
      },
      waveform,
    );
    const same = await made(planes(), { scale: [{ mean: 0, std: 2 }] }, waveform);
    expect([...(own.data as Float32Array)]).toEqual([0, 2, 0, 1]);
    expect([...(same.data as Float32Array)]).toEqual([5, 10, -0.5, 0.5]);
  });
});

describe('a release', () => {
  const release = (...after: object[]) =>
    parsed({ signal: { rate: 16_000, channels: 1 } }, { window: { samples: 2000, hop: 1000, onSwap: 'reset' } }, ...after);
  test('tells what its steps make', () => {
    expect(preprocessing(release({ detrend: { type: 'constant' } }, logMel()))).toEqual({
      asked: 'signal',
      type: 'FP32',
      shape: [1, bands, times],
    });
    expect(preprocessing(release({ spectrum: { taper: 'hann', values: 'power', layout: 'NF' } }))).toMatchObject({
      shape: [1, 1001],
    });
    const int8 = { quantize: { scale: 0.5, zeroPoint: 0, type: 'INT8' } };
    expect(preprocessProblem(release(logMel(), int8), [{ name: 'mel', type: 'INT8', shape: [1, bands, -1] }])).toBeUndefined();
  });
  test.each<[string, object[], string]>([
    [
      'a band above half the rate',
      [logMel({ fmax: 9000 })],
      'log-mel reaches to 9000 Hz, a signal of 16000 samples a second to 8000',
    ],
    [
      'a transform longer than the window',
      [logMel({ fftSize: 4096, taperLength: undefined, centre: 'none' })],
      'log-mel has a fftSize of 4096 for windows of 2000 samples',
    ],
    [
      'a mirror longer than the window',
      [logMel({ fftSize: 4096, taperLength: undefined, centre: 'reflect' })],
      "log-mel can't mirror windows of 2000 samples for a fftSize of 4096",
    ],
    [
      'two scales for one channel',
      [
        {
          scale: [
            { mean: 0, std: 1 },
            { mean: 0, std: 1 },
          ],
        },
        { waveform: { layout: 'NT' } },
      ],
      'scale has 2 pairs for 1 channels',
    ],
    ['two analyses', [logMel(), logMel()], "log-mel can't follow a tensor"],
    ['a trend of a tensor', [logMel(), { detrend: { type: 'linear' } }], "detrend can't follow a tensor"],
  ])('is refused with %s', (_what, after, problem) => {
    expect(preprocessing(release(...after))).toMatchObject({ problem: expect.stringContaining(problem) });
  });
  test('of two channels needs a layout that has them', () => {
    const two = parsed(
      { signal: { rate: 16_000, channels: 2 } },
      { window: { samples: 2000, hop: 1000, onSwap: 'reset' } },
      logMel(),
    );
    expect(preprocessing(two)).toEqual({ problem: 'log-mel has the layout NMT, which is for one channel, and there are 2' });
  });
});
