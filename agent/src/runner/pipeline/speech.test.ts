import { readFile } from 'node:fs/promises';
import { Digest } from '@flotilla/protocol/device';
import { afterEach, describe, expect, test } from 'vitest';
import { decodeAnswer, encodeFrame, frameType } from '../../frame.js';
import { Prediction } from '../../prediction.js';
import { exampleNetworks, Workshop } from '../fixtures/orders.js';
import { type Served, serve } from '../fixtures/served.js';
import { PredictAnswer } from '../slot-api/slot-schemas.js';
import { decodeBlob, encodeBlob } from './memory/blob.js';
import { documented, releaseOf } from './fixtures/release.js';
import { rate, samples, speech } from './fixtures/speech.js';

const workshop = new Workshop();
const slots: Served[] = [];
afterEach(async () => {
  await Promise.all(slots.splice(0).map((slot) => slot.close()));
  await workshop.clear();
});

async function detector(digest = 'a', yaml = (text: string) => text): Promise<Served> {
  const model = await readFile(exampleNetworks.speech);
  const load = await releaseOf(workshop, yaml(await documented('speech-activity', 'over-time.md')), { 'model.onnx': model });
  const slot = await serve(workshop, { ...load, digest: Digest.parse(digest.repeat(64)) });
  slots.push(slot);
  return slot;
}

const began = Date.parse('2026-03-01T10:00:00.000Z');
const timeOf = (sample: number) => new Date(began + (sample * 1000) / rate).toISOString();
/** Part of the recording, in chunks of so many samples; `from` and `to` are chunks. */
type Part = { chunk?: number; from?: number; to?: number; state?: Uint8Array | undefined; gap?: boolean };
async function hear(slot: Served, { chunk = 1600, from = 0, to = Infinity, state, gap }: Part = {}) {
  const predictions: Prediction[] = [];
  const all = samples();
  for (let at = from * chunk; at < Math.min(all.length, to * chunk); at += chunk) {
    const head = { payload: { kind: 'signal' as const, rate, channels: 1 }, stream: 'microphone', capturedAt: timeOf(at) };
    const lost = at === from * chunk && gap ? { gap } : {};
    const body = encodeFrame({ head: { ...head, ...lost }, payload: bytes(all.slice(at, at + chunk)), state });
    const response = await slot.post('/v1/slots/inspection/frames', new Uint8Array(body), frameType);
    expect(response.status).toBe(200);
    const answer = decodeAnswer(new Uint8Array(await response.arrayBuffer()), Prediction);
    predictions.push(...answer.predictions);
    state = answer.state;
  }
  return { predictions, state };
}
const bytes = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const scoresOf = (predictions: readonly Prediction[]) => predictions.map(({ decision }) => decision!.score);
const segmentsOf = (predictions: readonly Prediction[]) =>
  predictions.flatMap(({ segment }) => (segment?.end ? [[segment.onset, segment.end]] : []));
const expected = speech.segments.map((segment) => segment.map(timeOf));
const close = (scores: readonly number[]) => scores.map((score) => expect.closeTo(score, 4));

describe('the documented speech detector', () => {
  test('finds what Python finds with the same network, window by window', async () => {
    const { predictions } = await hear(await detector());
    expect(scoresOf(predictions)).toEqual(close(speech.scores));
    expect(segmentsOf(predictions)).toEqual(expected);
    expect(predictions.map(({ capturedAt }) => capturedAt)).toEqual(speech.scores.map((_, i) => timeOf(i * 512)));
    // Only of the very first one the context, and what the network remembers, are made up.
    expect(predictions.map(({ uncertain }) => uncertain !== undefined).indexOf(false)).toBe(1);
    expect(predictions.slice(1).filter(({ uncertain }) => uncertain !== undefined)).toEqual([]);
  });

  test('does so however the signal is cut into chunks', async () => {
    const { predictions } = await hear(await detector(), { chunk: 16 * 37 });
    expect(scoresOf(predictions)).toEqual(close(speech.scores));
    expect(segmentsOf(predictions)).toEqual(expected);
  });

  test('goes on as if nothing were where another release takes over in the middle of a word and carries', async () => {
    const before = await hear(await detector('a'), { to: 15 });
    const after = await hear(await detector('b'), { from: 15, state: before.state });
    const predictions = [...before.predictions, ...after.predictions];
    expect(scoresOf(predictions)).toEqual(close(speech.scores));
    expect(segmentsOf(predictions)).toEqual(expected);
    expect(after.predictions.filter(({ uncertain }) => uncertain !== undefined)).toEqual([]);
  });

  test('says so where the other release begins anew', async () => {
    const { state } = await hear(await detector('a'), { to: 15 });
    const resetting = await detector('b', (text) => text.replaceAll('onSwap: carry', 'onSwap: reset'));
    const { predictions } = await hear(resetting, { from: 15, state });
    expect(predictions[0]!.uncertain).toBe(
      'window, recurrent state, segments began anew: another release serves (onSwap: reset)',
    );
    // In the middle of a word: when it began is not known, whatever comes, until it ends.
    const end = predictions.findIndex(({ segment }) => segment?.end !== undefined);
    expect(predictions.slice(1, end + 1).every(({ uncertain }) => uncertain?.startsWith('segments began anew'))).toBe(true);
    expect(predictions.slice(end + 1).filter(({ uncertain }) => uncertain !== undefined)).toEqual([]);
    const latest = await fetch(`${resetting.base}/v1/slots/inspection/predictions/latest`);
    expect(await latest.json()).toMatchObject({ quality: 'good' });
  });

  test('begins its windows and its network anew after a gap, and keeps the segment', async () => {
    const slot = await detector();
    const { state } = await hear(slot, { to: 15 });
    const { predictions } = await hear(slot, { from: 16, to: 17, state, gap: true });
    expect(predictions[0]!.uncertain).toBe('window, recurrent state began anew: something of the stream was lost');
    expect(predictions[0]!.capturedAt).toBe(timeOf(16 * 1600));
    expect(predictions[0]!.segment?.onset).toBe(expected[0]![0]);
  });

  test('passes over a state that somebody broke', async () => {
    const slot = await detector();
    const { state } = await hear(slot, { to: 2 });
    state![state!.length >> 1]! ^= 1;
    const { predictions } = await hear(slot, { from: 2, to: 3, state });
    expect(predictions[0]!.uncertain).toContain("the state that came can't be used: its checksum is wrong");
  });

  test.each([
    ['of another rate', { rate: 8000, channels: 1 }, 1, 'it has 8000 samples a second, the release takes 16000'],
    ['that is too long', { rate, channels: 1 }, 160_001, 'a chunk of 160001 samples is too long'],
  ])('refuses a chunk %s', async (_what, how, length, reason) => {
    const slot = await detector();
    const head = { payload: { kind: 'signal' as const, ...how }, stream: 'microphone', capturedAt: timeOf(0) };
    const body = encodeFrame({ head, payload: bytes(new Float32Array(length)) });
    const response = await slot.post('/v1/slots/inspection/frames', new Uint8Array(body), frameType);
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(reason)]);
  });
});

describe('asked without the gateway', () => {
  const ask = async (slot: Served, body: object) => {
    const response = await slot.post('/v1/slots/inspection/predict', JSON.stringify(body));
    return { status: response.status, ...((await response.json()) as { state?: string; error?: string }) };
  };
  const window = (i: number, length = 512) => ({ samples: Array.from(samples().slice(i * 512, i * 512 + length)), rate });

  test('it answers with a state, which the next request may bring back', async () => {
    const slot = await detector();
    const scores: unknown[] = [];
    let state = '';
    for (let i = 0; i < 30; i++) {
      const answer = await ask(slot, { signal: window(i), state });
      const { decision, quality, uncertain } = PredictAnswer.parse(answer);
      expect([quality, uncertain]).toEqual(i === 0 ? ['uncertain', expect.any(String)] : ['good', undefined]);
      scores.push(decision!.score);
      state = answer.state!;
    }
    expect(scores).toEqual(close(speech.scores.slice(0, 30)));
  });

  test('it begins anew with each request that brings none, and gives none back', async () => {
    const slot = await detector();
    const [first, second] = [await ask(slot, { signal: window(27) }), await ask(slot, { signal: window(27) })];
    expect(first).toMatchObject({ quality: 'uncertain', uncertain: expect.stringContaining('nothing is known of the stream') });
    expect(first.state).toBeUndefined();
    expect(PredictAnswer.parse(second).decision!.score).toBe(PredictAnswer.parse(first).decision!.score);
  });

  test.each([
    ['half a window', { signal: window(0, 256) }, 'the signal completes no windows'],
    ['three windows', { signal: window(0, 1536) }, 'the signal completes 3 windows'],
    ['a picture', { image: { base64: 'AAAA' } }, 'speech-activity@1.0.0 takes no pictures'],
    ['tensors with a state', { inputs: {}, state: '' }, 'nothing is remembered of tensors'],
  ])('it refuses %s', async (_what, body, reason) => {
    expect(await ask(await detector(), body)).toMatchObject({ status: 400, error: expect.stringContaining(reason) });
  });

  test('tensors go by what they are, and nothing is uncertain', async () => {
    const slot = await detector();
    const inputs = { input: [Array.from({ length: 576 }, () => 0)], state: Array.from({ length: 256 }, () => 0), sr: 16000 };
    const answer = await ask(slot, { inputs });
    expect(answer).toMatchObject({ quality: 'good', outputs: { output: { shape: [1, 1] }, stateN: { shape: [2, 1, 128] } } });
    expect(PredictAnswer.parse(answer).decision).toBeUndefined();
  });
});

test('a state that somebody made up is not held against the release', async () => {
  const slot = await detector();
  const answer = await hear(slot, { to: 1 });
  const blob = decodeBlob(answer.state!);
  const parts = blob.parts.map((part) =>
    part.key === 'recurrent state' ? { ...part, data: bytes(new Float32Array(256).fill(Number.NaN)) } : part,
  );
  const { predictions } = await hear(slot, { from: 1, to: 2, state: encodeBlob({ ...blob, parts }) });
  expect(predictions[0]!.uncertain).toContain("recurrent state began anew: the state that came can't be used: it holds NaN");
});
