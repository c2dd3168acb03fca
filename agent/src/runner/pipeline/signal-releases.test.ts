import { type Manifest, PreprocessStep } from '@flotilla/protocol/device';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Workshop } from '../fixtures/orders.js';
import { serve, windows } from '../fixtures/served.js';
import { OrtEngine } from '../engine/ort-engine.js';
import { loadRelease } from '../loading.js';
import { peakRssBytes } from '../memory.js';
import { preflight } from '../preflight.js';
import { GradedPrediction } from '../slot-api/slot-schemas.js';
import { wavOf } from './fixtures/wav.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());

const rate = 16_000;
/** 8 bands and 8 times of each of three microphones: the model answers which of them is loudest. */
const samples = 256 + 7 * 100;
const steps = (signal: object = {}, logMel: object = {}): Manifest['preprocess'] =>
  [
    { signal: { rate, channels: 3, ...signal } },
    { window: { samples, hop: samples, onSwap: 'reset' } },
    { detrend: { type: 'constant' } },
    {
      'log-mel': {
        fftSize: 256,
        hop: 100,
        taper: 'hann',
        mels: 8,
        formula: 'htk',
        norm: 'none',
        power: 2,
        centre: 'none',
        log: { base: 'decibel', floor: 1e-6 },
        scale: { mean: -60, std: 100 },
        layout: 'NCMT',
        ...logMel,
      },
    },
  ].map((step) => PreprocessStep.parse(step));

/** A tone on one of three microphones, of so many samples. */
const toneOn = (microphone: number, length = samples, perSecond = rate) =>
  wavOf(
    [0, 1, 2].map((channel) =>
      Float32Array.from(
        { length },
        (_, i) => (channel === microphone ? 0.5 : 0.01) * Math.sin((2 * Math.PI * 700 * i) / perSecond),
      ),
    ),
    perSecond,
  );

describe('a release that takes a signal is asked with a WAV', () => {
  const slot = async (signal: object = {}) =>
    serve(workshop, await workshop.smallRelease('colour', { preprocess: steps(signal) }));
  const path = '/v1/slots/inspection/predict';

  test('and answers for the one window that it holds', async () => {
    const served = await slot();
    for (const [microphone, label] of ['red', 'green', 'blue'].entries()) {
      const response = await served.post(path, toneOn(microphone), 'audio/wav');
      expect(response.status).toBe(200);
      expect(GradedPrediction.parse(await response.json()).top[0]).toMatchObject({ label });
    }
    const metrics = await (await fetch(`${served.base}/metrics`)).text();
    expect(metrics).toContain('flotilla_pipeline_step_seconds_count{slot="inspection",step="log-mel"} 3');
    await served.close();
  });

  test.each<[string, Uint8Array<ArrayBuffer>, string]>([
    ['too little', toneOn(0, 200), 'the signal completes no windows, and one prediction is of one: send more or less, or frames'],
    [
      'two windows',
      toneOn(0, 2 * samples),
      'the signal completes 2 windows, and one prediction is of one: send more or less, or frames',
    ],
    [
      'another rate',
      toneOn(0, samples, 8000),
      "the signal can't be read: it has 8000 samples a second, the release takes 16000; set the source's rate",
    ],
    [
      'one microphone',
      wavOf([new Float32Array(samples)], rate),
      "the signal can't be read: it has 1 channels, the release takes 3",
    ],
    [
      'half a file',
      toneOn(0).slice(0, 5000),
      "the signal can't be read: it is cut off: 4956 of 11472 bytes of its data are there",
    ],
    [
      'a minute',
      toneOn(0, 60 * rate),
      "the signal can't be read: a chunk of 960000 samples is too long: send 10 seconds at most",
    ],
    [
      'a picture',
      new Uint8Array([0xff, 0xd8, 0xff, ...Array.from({ length: 20 }, () => 0)]),
      "the signal can't be read: it is no WAV: it does not begin with RIFF and WAVE",
    ],
  ])('but not with %s', async (_what, body, error) => {
    const served = await slot();
    const response = await served.post(path, body, 'audio/wav');
    expect([response.status, await response.json()]).toEqual([400, { error }]);
    await served.close();
    expect(windows(served.sent).every(({ errors }) => errors === 0)).toBe(true);
  });

  test('of another rate where it says how that is resampled', async () => {
    const served = await slot({ resample: 'scipy-poly' });
    const response = await served.post(path, toneOn(1, samples / 2, 8000), 'audio/wav');
    expect(GradedPrediction.parse(await response.json()).top[0]).toMatchObject({ label: 'green' });
    await served.close();
  });
});

describe('a golden case that is a WAV', () => {
  const golden = { folder: 'golden', tolerance: { top1: 1, cosine: 0.99 } };
  let engine: OrtEngine;
  beforeEach(() => {
    engine = new OrtEngine();
  });
  afterEach(() => engine.close());

  async function proven(logMel: object, values: number[]) {
    // What the release's own steps give for the tone, before they are changed; that these are librosa's is proven beside them.
    const { pipeline } = await loadRelease(await workshop.smallRelease('colour', { preprocess: steps() }), engine);
    const prepared = await pipeline.preprocess!(toneOn(1));
    const tensor = { shape: [1, 3, 8, 8], stride: 1, values: [...(prepared.tensor.data as Float32Array)], tolerance: 0.001 };
    const output = { name: 'scores', values, top: [{ index: 1, label: 'green', score: 1 }] };
    const cases = { v: 1, cases: [{ name: 'tone', input: 'tone.wav', tensor, output }] };
    const files = { 'golden/cases.json': JSON.stringify(cases), 'golden/tone.wav': toneOn(1) };
    return preflight(
      await workshop.smallRelease('colour', { golden, preprocess: steps({}, logMel) }, files),
      engine,
      peakRssBytes,
    );
  }
  test.each([
    ['another taper', { taper: 'hamming' }],
    ['another formula of mel', { formula: 'slaney' }],
  ])('tells %s as a fault of preprocessing', async (_what, change) => {
    await expect(proven(change, [1, 9, 1])).rejects.toThrow(/preprocessing differs: tone: element \d+ is/);
  });
  test('tells another answer as a fault of the model', async () => {
    await expect(proven({}, [9, -9, 9])).rejects.toThrow(/model output differs: .*tone: class 1/);
  });
});
