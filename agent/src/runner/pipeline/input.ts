import type { Asked } from '@flotilla/protocol/device';
import { z } from 'zod';
import type { Payload } from '../../frame.js';
import { floatsOf } from './memory/numbers.js';
import { type Sound, readWav } from './signal/wav.js';
import type { FeatureValues, SignalChunk, Stage } from './stages.js';

const Values = z.record(z.string(), z.unknown());

/** What a request or a file of the source holds, for the first step. */
export function inputStage(asked: Asked, input: Uint8Array | FeatureValues): Stage {
  if (asked === 'signal') {
    if (!(input instanceof Uint8Array)) throw new Error('the release takes a signal, not features');
    return { ...chunkOf(readWav(input)), isWhole: true };
  }
  if (asked === 'picture') {
    if (!(input instanceof Uint8Array)) throw new Error('the release takes pictures, not features');
    return { kind: 'encoded', bytes: input };
  }
  return { kind: 'features', values: input instanceof Uint8Array ? valuesOf(input) : input };
}

/** What a frame of a source holds, and what a release must be asked with for it. */
export function payloadStage(payload: Payload, bytes: Uint8Array): { asks: Asked; stage: () => Stage } {
  switch (payload.kind) {
    case 'encoded':
      return { asks: 'picture', stage: () => ({ kind: 'encoded', bytes }) };
    case 'pixels': {
      const { width, height, channels } = payload;
      return { asks: 'picture', stage: () => ({ kind: 'raw', data: bytes, width, height, channels }) };
    }
    case 'features':
      return { asks: 'features', stage: () => ({ kind: 'features', values: valuesOf(bytes) }) };
    case 'signal': {
      const { rate, channels } = payload;
      return { asks: 'signal', stage: () => chunk(bytes, rate, channels) };
    }
  }
}

/** Longer ones would keep the model for too long; a slow sensor's may span more time. */
const mostSeconds = 10;
const leastAllowed = 65_536;

const chunk = (bytes: Uint8Array, rate: number, channels: number) =>
  chunkOf({ data: floatsOf(bytes, Math.floor(bytes.byteLength / 4)), rate, channels });

function chunkOf({ data, rate, channels }: Sound): SignalChunk {
  const samples = data.length / channels;
  if (samples > Math.max(leastAllowed, mostSeconds * rate))
    throw new Error(`a chunk of ${samples} samples is too long: send ${mostSeconds} seconds at most`);
  return { kind: 'chunk', data, rate, channels };
}

function valuesOf(bytes: Uint8Array): FeatureValues {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Error('it is no JSON');
  }
  const values = Values.safeParse(value);
  if (!values.success) throw new Error('it is no JSON object of features by name');
  return values.data;
}
