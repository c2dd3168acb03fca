import { constants, createReadStream, open } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { basename } from 'node:path';
import type { AudioSource } from '@flotilla/protocol/device';
import { isErrno } from '../../errors.js';
import type { Captured, Source } from '../source.js';
import type { FfmpegTools } from './camera.js';
import { readFfmpeg, running, troubleOf } from './ffmpeg-reading.js';
import { pause, PersistentSource, type Session, type SessionEnd, SourceTrouble, submitUntilTaken } from './persistent.js';
import { Sound } from './sound.js';
import { bytesUntilStopped } from './stopped-bytes.js';
import { WavError, WavStream } from './wav-stream.js';

const backoff = { baseMs: 500, capMs: 5000 };
/** A microphone gives samples all the time. */
const stallMs = 5000;
const bytesPerSample = 4;

/** A WAV file, a named pipe with WAV in it, or a microphone. */
export function soundSource(config: AudioSource, { ffmpeg }: FfmpegTools = {}): Source {
  const sound = new Sound(config, basename(config.audio));
  let sessions = 0;
  return new PersistentSource((session) => {
    // Between two sessions there is always something that nobody heard.
    if (sessions++ > 0) sound.gap();
    return config.kind === 'alsa' ? microphone(config, sound, session, ffmpeg) : wav(config, sound, session);
  }, backoff);
}

async function microphone(config: AudioSource, sound: Sound, session: Session, program: string | undefined): Promise<SessionEnd> {
  const { audio, rate, channels } = config;
  const { sink, signal, came } = session;
  const what = `the microphone ${audio}`;
  for (const captured of sound.push({ format: { rate, channels } })) sink.offer(captured);
  const onPiece = (samples: Float32Array) => {
    came();
    sink.state(running);
    for (const captured of sound.push({ samples })) sink.offer(captured);
  };
  const cutter = new SampleCutter(channels);
  const reading = {
    args: () => microphoneArguments(config),
    program,
    cut: (chunk: Buffer) => cutter.push(chunk),
    onPiece,
    stallMs,
  };
  const trouble = troubleOf(await readFfmpeg(reading, signal), { stallMs, what });
  throw trouble ?? new SourceTrouble('waiting', `${what} gives nothing any more`);
}

/** ALSA is asked for the rate; where the device has another, ffmpeg makes it. */
export function microphoneArguments({ audio, rate, channels }: AudioSource): string[] {
  const [r, c] = [String(rate), String(channels)];
  return ['-f', 'alsa', '-channels', c, '-sample_rate', r, '-i', audio, '-f', 'f32le', '-ar', r, '-ac', c, 'pipe:1'];
}

/** Bytes of a pipe to whole frames of floats. */
class SampleCutter {
  #rest = Buffer.alloc(0);

  constructor(private readonly channels: number) {}

  *push(chunk: Buffer): Generator<Float32Array> {
    const all = Buffer.concat([this.#rest, chunk]);
    const whole = all.length - (all.length % (bytesPerSample * this.channels));
    this.#rest = all.subarray(whole);
    const samples = new Float32Array(whole / bytesPerSample);
    new Uint8Array(samples.buffer).set(all.subarray(0, whole));
    if (samples.length > 0) yield samples;
  }
}

async function wav(config: AudioSource, sound: Sound, session: Session): Promise<SessionEnd> {
  const { audio } = config;
  try {
    if (await isPipe(audio)) return await fromPipe(config, sound, session);
    return await fromFile(config, sound, session);
  } catch (error) {
    if (error instanceof WavError) throw new SourceTrouble('failed', `${audio} can not be read: ${error.message}`);
    if (isErrno(error, 'ENOENT')) throw new SourceTrouble('waiting', `${audio} is not there`);
    throw error;
  }
}

const isPipe = async (path: string) => (await stat(path)).isFIFO();

/** Without O_NONBLOCK the opening would wait for a writer, and with it a thread of the pool. The socket closes it. */
function openedPipe(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    open(path, constants.O_RDONLY | constants.O_NONBLOCK, (error, fd) =>
      error ? reject(error) : resolve(new Socket({ fd, writable: false })),
    );
  });
}

/** As fast as it is written: who writes sets the pace. With `every` the writer waits for the runner. */
async function fromPipe({ audio, pace }: AudioSource, sound: Sound, session: Session): Promise<SessionEnd> {
  const { sink, signal, came } = session;
  const stream = new WavStream();
  sink.state({ state: 'waiting', reason: `nobody writes into ${audio}` });
  for await (const bytes of bytesUntilStopped(await openedPipe(audio), signal)) {
    for (const part of stream.push(bytes)) {
      came();
      sink.state(running);
      for (const captured of sound.push(part)) {
        if (pace === 'own') sink.offer(captured);
        else await submitUntilTaken(sink, captured, signal);
      }
    }
  }
  // Its writer has gone; the next one begins anew.
  return 'again';
}

async function fromFile(config: AudioSource, sound: Sound, session: Session): Promise<SessionEnd> {
  const { sink, signal } = session;
  const give = config.pace === 'own' ? paced(config, session) : (captured: Captured) => submitUntilTaken(sink, captured, signal);
  const timed = clockOf(config);
  sink.state(running);
  for await (const captured of captures(config.audio, sound, session)) await give(timed(captured));
  if (config.then === 'repeat') return 'again';
  sink.state({ state: 'waiting', reason: `${config.audio} is at its end` });
  return 'over';
}

async function* captures(path: string, sound: Sound, { signal, came }: Session): AsyncGenerator<Captured> {
  const stream = new WavStream();
  let heard = false;
  for await (const bytes of createReadStream(path)) {
    if (signal.aborted) return;
    for (const part of stream.push(bytes as Buffer)) {
      heard ||= 'samples' in part;
      yield* sound.push(part);
    }
  }
  // One that holds nothing would be read again and again without a pause.
  if (!heard) throw new WavError('it holds no samples');
  came();
  yield* sound.end();
}

/** A file has its own time: read faster than it was said, a second of it is still a second. */
function clockOf({ rate, channels }: AudioSource): (captured: Captured) => Captured {
  let at = Date.now();
  return (captured) => {
    const capturedAt = at;
    at += (captured.bytes.byteLength / bytesPerSample / channels / rate) * 1000;
    return { ...captured, capturedAt };
  };
}

/** As if it were heard just now. */
function paced({ chunkMs }: AudioSource, { sink, signal }: Session): (captured: Captured) => Promise<void> {
  let due = performance.now();
  return async (captured) => {
    due += chunkMs;
    await pause(Math.max(0, due - performance.now()), signal);
    if (!signal.aborted) sink.offer(captured);
  };
}
