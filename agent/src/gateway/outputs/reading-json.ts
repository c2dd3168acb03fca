import { randomBytes } from 'node:crypto';
import type { Reading, ReadingQuality, ReadingResult } from './reading.js';

/** Names this run of the gateway: sequences begin anew with each. */
export const gatewayRun = { id: randomBytes(6).toString('hex'), since: new Date().toISOString() };

type Settings = {
  device: string;
  /** Whether the whole prediction comes with its headline. */
  prediction: boolean;
};

/** Tensors and masks may be as large as pictures; protocols of few words are not for them. */
const mostPredictionChars = 256 * 1024;

/** Of all readings of all devices: what comes twice is known by it. */
export const readingId = ({ slot, sequence }: Pick<Reading, 'slot' | 'sequence'>): string =>
  `${slot}-${gatewayRun.id}-${sequence}`;

/** The last one that was asked for: each reading goes to all outputs before the next is made. */
let made: { reading: Reading; device: string; prediction: boolean; json: string } | undefined;

/** A reading as JSON for protocols that speak it: flat, with the same keys whatever there is to say. */
export function readingJson(reading: Reading, { device, prediction }: Settings): string {
  if (made?.reading !== reading || made.device !== device || made.prediction !== prediction)
    made = { reading, device, prediction, json: write(reading, { device, prediction }) };
  return made.json;
}

function write(reading: Reading, { device, prediction }: Settings): string {
  const { slot, sequence, quality, reason = null, at, result, status } = reading;
  const view = {
    id: readingId(reading),
    device,
    slot,
    gateway: gatewayRun.id,
    sequence,
    quality,
    reason,
    at: new Date(at).toISOString(),
    ...(result ? resultView(result) : noResult),
    state: status.state,
    drift: status.drift,
  };
  return prediction && result ? withPrediction(JSON.stringify(view), result) : JSON.stringify(view);
}

/** The last one of a slot that nobody looks after any more: whoever reads it later must not take it for good. */
export const farewell = (reading: Reading, reason: string): Reading => {
  const quality: ReadingQuality = reading.quality === 'safe-mode' ? 'safe-mode' : 'stale';
  return { ...reading, quality, reason, at: Date.now() };
};

function withPrediction(json: string, { prediction }: ReadingResult): string {
  const whole = JSON.stringify(prediction);
  const left = `"predictionLeftOut":"it has ${whole.length} characters, more than ${mostPredictionChars}"`;
  return `${json.slice(0, -1)},${whole.length > mostPredictionChars ? left : `"prediction":${whole}`}}`;
}

const noResult = {
  sourceTime: null,
  latencyMs: null,
  label: null,
  index: null,
  confidence: null,
  count: null,
  values: {},
  units: {},
  inspection: null,
  release: null,
  deployment: null,
};

function resultView({ capturedAt, latencyMs, headline, prediction }: ReadingResult): object {
  const { label, index, confidence, count, values } = headline;
  return {
    sourceTime: new Date(capturedAt).toISOString(),
    latencyMs,
    label,
    index,
    confidence,
    count,
    values: Object.fromEntries(values.map(({ name, value }) => [name, value])),
    units: Object.fromEntries(values.flatMap(({ name, unit }) => (unit === undefined ? [] : [[name, unit]]))),
    inspection: prediction.inspection ?? null,
    release: prediction.release,
    deployment: prediction.deployment,
  };
}
