import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AudioSource } from '@flotilla/protocol/device';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { CollectingSink } from '../fixtures/collecting-sink.js';
import { Folders } from '../fixtures/folders.js';
import { tone, wav, wavHeader } from '../fixtures/wav.js';
import { microphoneArguments, soundSource } from './audio.js';

const folders = new Folders();
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
  await folders.clear();
});

function begin(config: object, sink = new CollectingSink()): CollectingSink {
  const source = soundSource(AudioSource.parse(config));
  open.push(() => source.stop());
  source.start(sink);
  return sink;
}

describe('a WAV file', () => {
  const second = tone(440, 8000, 8000);
  const aFile = async (bytes: Uint8Array) => join(await folders.make({ 'a.wav': bytes }), 'a.wav');

  it('is heard as fast as it is inferred, whole and in order', async () => {
    const audio = await aFile(wav(second, { rate: 8000 }));
    const sink: CollectingSink = new CollectingSink(() => (sink.submitted.length % 2 === 0 ? 'inferred' : 'busy'));
    begin({ audio, rate: 8000, chunkMs: 100, pace: 'every' }, sink);
    await eventually(() => sink.now?.reason === `${audio} is at its end`);
    // Each was refused once, and came again.
    expect(sink.submitted).toHaveLength(20);
    const once = sink.submitted.filter((_, i) => i % 2 === 1);
    expect(once.map(({ bytes }) => bytes.byteLength)).toEqual(Array(10).fill(3200));
    const [first] = once;
    expect(once.map(({ capturedAt }) => Math.round(capturedAt - first!.capturedAt))).toEqual(once.map((_, i) => 100 * i));
    expect(sink.now?.state).toBe('waiting');
    expect(sink.submitted.some(({ gap }) => gap)).toBe(false);
  });

  it('is made the rate and channels that are asked for', async () => {
    const audio = await aFile(wav(tone(440, 44_100, 44_100), { rate: 44_100, channels: 1 }));
    const sink = begin({ audio, rate: 16_000, channels: 2, pace: 'every' });
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.submitted[0]?.payload).toEqual({ kind: 'signal', rate: 16_000, channels: 2 });
    expect(sink.samples).toHaveLength(2 * 16_000);
  });

  it('is offered at its own pace', async () => {
    const audio = await aFile(wav(second, { rate: 8000 }));
    const began = Date.now();
    const sink = begin({ audio, rate: 8000, chunkMs: 100 });
    await eventually(() => sink.now?.reason === `${audio} is at its end`);
    expect(Date.now() - began).toBeGreaterThanOrEqual(900);
    expect(sink.offered).toHaveLength(10);
    const times = sink.offered.map(({ capturedAt }) => capturedAt);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('goes round, with a break between its end and its beginning', async () => {
    const audio = await aFile(wav(tone(440, 8000, 800), { rate: 8000 }));
    const sink = begin({ audio, rate: 8000, chunkMs: 50, pace: 'every', then: 'repeat' });
    await eventually(() => sink.submitted.length >= 6);
    expect(sink.submitted.slice(0, 6).map(({ gap }) => gap)).toEqual([undefined, undefined, true, undefined, true, undefined]);
  });

  it.each([
    ['no WAV', Buffer.from('hello, this is text'), 'does not begin as a WAV stream does'],
    ['an empty file', Buffer.alloc(0), 'it holds no samples'],
    ['compressed sound', wavHeader({ rate: 8000, tag: 17, bits: 4 }), 'format 17 with 4 bits'],
    ['an odd rate', wav([0, 0], { rate: 48_017 }), 'share too little'],
  ])('that is %s is said to be so, until another has its name', async (_, bytes, why) => {
    const audio = await aFile(bytes);
    const sink = begin({ audio, rate: 44_100, pace: 'every' });
    await eventually(() => sink.now?.state === 'failed');
    expect(sink.now?.reason).toContain(why);
    await writeFile(audio, wav(second, { rate: 44_100 }));
    await eventually(() => sink.now?.reason === `${audio} is at its end`);
  });

  it('that is cut in a frame gives what it has; one that is missing is waited for', async () => {
    const whole = wav(second, { rate: 8000 });
    const audio = join(await folders.make(), 'a.wav');
    const sink = begin({ audio, rate: 8000, pace: 'every' });
    await eventually(() => sink.now?.reason === `${audio} is not there`);
    expect(sink.now?.state).toBe('waiting');
    await writeFile(`${audio}.new`, whole.subarray(0, 44 + 1001));
    await rename(`${audio}.new`, audio);
    await eventually(() => sink.now?.reason === `${audio} is at its end`);
    expect(sink.samples).toHaveLength(500);
  });
});

describe('a named pipe', () => {
  async function aPipe() {
    const audio = join(await folders.make(), 'pipe');
    execFileSync('mkfifo', [audio]);
    return audio;
  }
  async function write(audio: string, ...pieces: Uint8Array[]): Promise<() => Promise<void>> {
    const writer = createWriteStream(audio, { flags: 'w' });
    for (const piece of pieces) writer.write(piece);
    const end = async () => {
      writer.end();
      await once(writer, 'close');
    };
    return end;
  }

  it('is waited for, heard without end, and heard again when another writes at another rate', async () => {
    const audio = await aPipe();
    const sink = begin({ audio, rate: 8000, chunkMs: 10 });
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toBe(`nobody writes into ${audio}`);
    const end = await write(audio, wavHeader({ rate: 8000 }), Buffer.alloc(2 * 400));
    await eventually(() => sink.offered.length === 5);
    expect(sink.now).toEqual({ state: 'running' });
    await end();
    await eventually(() => sink.now?.state === 'waiting');
    const endAgain = await write(audio, wavHeader({ rate: 16_000 }), Buffer.alloc(2 * 1600));
    await eventually(() => sink.offered.length >= 13);
    expect(sink.offered.findIndex(({ gap }) => gap)).toBe(5);
    expect(new Set(sink.offered.map(({ payload }) => JSON.stringify(payload))).size).toBe(1);
    await endAgain();
  });

  it('in which there is garbage is said to be so, and heard when there is sound', async () => {
    const audio = await aPipe();
    const sink = begin({ audio, rate: 8000, chunkMs: 10 });
    await eventually(() => sink.now?.state === 'waiting');
    const end = await write(audio, Buffer.from('no sound at all, this'));
    await eventually(() => sink.now?.state === 'failed');
    await end();
    await eventually(() => sink.now?.state === 'waiting');
    const endAgain = await write(audio, wav(tone(440, 8000, 800), { rate: 8000 }));
    await eventually(() => sink.offered.length === 10);
    await endAgain();
  });

  it('into which nobody writes is let go of at once', async () => {
    const audio = await aPipe();
    const sink = new CollectingSink();
    const source = soundSource(AudioSource.parse({ audio }));
    source.start(sink);
    await eventually(() => sink.now?.state === 'waiting');
    await source.stop();
  });
});

it('asks ALSA for what the release wants', () => {
  const config = AudioSource.parse({ audio: 'plughw:1,0', kind: 'alsa', rate: 16_000, channels: 2 });
  expect(microphoneArguments(config).join(' ')).toBe(
    '-f alsa -channels 2 -sample_rate 16000 -i plughw:1,0 -f f32le -ar 16000 -ac 2 pipe:1',
  );
});
