import type { IncomingMessage } from 'node:http';
import { askerOf } from '../http/asker.js';
import type { Feedback } from './feedback.js';
import { RequestError, type Route, readBody } from '../../http/http.js';
import { type Asked, BadPicture, type Inferences } from '../inferences.js';
import { parseJson } from '../../http/json-body.js';
import type { LatestPrediction } from './latest-prediction.js';
import { frameType } from '../../frame.js';
import { type FrameTaker, inferFrame } from './frames.js';
import { readInputs } from '../oip/inputs.js';
import { inputOf, requestInputs, stateFrom } from './predict-request.js';
import type { PredictionStreams } from '../../http/prediction-stream.js';
import { FeedbackRequest, type PredictAnswer, PredictRequest } from './slot-schemas.js';
import { type Prediction, qualityOf } from '../../prediction.js';
import { submissionOf } from '../queue/submission.js';

export const predictTypes = ['image/jpeg', 'image/png', 'image/webp', 'audio/wav', 'application/json'] as const;

type Slot = FrameTaker & {
  isReady: () => boolean;
  latest: LatestPrediction;
  streams: PredictionStreams;
  feedback: Feedback;
};

/** The typed API: a picture, a WAV or named tensors in, labelled classes out, with the release's own pre- and postprocessing. */
export function slotRoutes(around: Slot): Route[] {
  const { inferences, isReady, latest, streams, feedback, record } = around;
  const { slot, deployment, digest } = inferences.served;
  const { name: release } = inferences.release;
  const ofSlot = (method: Route['method'], path: string, handle: Route['handle']): Route => ({
    method,
    path: `/v1/slots/:slot${path}`,
    handle: (params, request) => {
      const { slot: asked } = params;
      if (asked !== slot) throw new RequestError(404, `there is no slot "${asked}" here; this one is "${slot}"`);
      return handle(params, request);
    },
  });
  return [
    { method: 'GET', path: '/healthz', handle: () => ({ body: { status: 'ok', slot, release, digest, deployment } }) },
    { method: 'GET', path: '/readyz', handle: () => ({ status: isReady() ? 200 : 503, body: { ready: isReady() } }) },
    ofSlot('GET', '/predictions/latest', () => {
      const prediction = latest.read();
      if (!prediction) throw new RequestError(404, `${slot} has made no prediction yet`);
      return { body: prediction };
    }),
    { ...ofSlot('GET', '/predictions/stream', () => streams.admit()), head: false },
    ofSlot('POST', '/predict', async (_params, request) => {
      const { prediction, ...rest } = await predicted(inferences, request);
      record(prediction);
      return { body: { ...prediction, quality: qualityOf(prediction), ...rest } satisfies PredictAnswer };
    }),
    ofSlot('POST', '/frames', (_params, request) => {
      const type = typeOf(request);
      if (type !== frameType) throw wrongType(type, [frameType]);
      return inferFrame(around, request);
    }),
    ofSlot('POST', '/feedback', async (_params, request) => {
      const type = typeOf(request);
      if (type !== 'application/json') throw wrongType(type, ['application/json']);
      return { body: await feedback.take(parseJson(await readBody(request), FeedbackRequest)) };
    }),
  ];
}

const typeOf = (request: IncomingMessage) => request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();

const wrongType = (type: string | undefined, expected: readonly string[]) =>
  new RequestError(415, `the body is ${type || 'of no type'}, expected ${expected.join(' or ')}`);

type Predicted = { prediction: Prediction; state?: string };

async function predicted(inferences: Inferences, request: IncomingMessage): Promise<Predicted> {
  const asked = { since: performance.now(), asker: askerOf(request) };
  const type = typeOf(request);
  if (!predictTypes.some((taken) => taken === type)) throw wrongType(type, predictTypes);
  const body = await readBody(request);
  try {
    if (type !== 'application/json') return { prediction: await inferences.predict(body, asked) };
    return await predictedFromJson(inferences, body, asked);
  } catch (error) {
    // A client's broken picture says nothing about the release: it is not counted against it.
    if (error instanceof BadPicture) throw new RequestError(400, error.message);
    throw error;
  }
}

async function predictedFromJson(inferences: Inferences, body: Buffer, from: Asked): Promise<Predicted> {
  const { inputs, parameters, state: given, ...request } = parseJson(body, PredictRequest);
  const asked = { ...from, ...submissionOf(parameters) };
  const input = inputOf(request, inputs !== undefined);
  if (input) {
    const { prediction, state } = await inferences.predictOne(input, asked, stateFrom(given));
    return { prediction, ...(state && given !== undefined ? { state: Buffer.from(state).toString('base64') } : {}) };
  }
  if (given !== undefined) throw new RequestError(400, 'nothing is remembered of tensors: leave "state" out beside "inputs"');
  const expected = inferences.release.model.inputs;
  return { prediction: await inferences.predictFrom(readInputs(requestInputs(inputs ?? {}, expected), expected), asked) };
}
