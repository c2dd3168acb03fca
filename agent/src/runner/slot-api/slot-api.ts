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
import { pictureFrom, requestInputs } from './predict-request.js';
import type { PredictionStreams } from '../../http/prediction-stream.js';
import { FeedbackRequest, type GradedPrediction, PredictRequest } from './slot-schemas.js';
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
      const prediction = await predicted(inferences, request);
      record(prediction);
      return { body: { ...prediction, quality: qualityOf(prediction) } satisfies GradedPrediction };
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

async function predicted(inferences: Inferences, request: IncomingMessage): Promise<Prediction> {
  const asked = { since: performance.now(), asker: askerOf(request) };
  const type = typeOf(request);
  if (!predictTypes.some((taken) => taken === type)) throw wrongType(type, predictTypes);
  const body = await readBody(request);
  try {
    return await (type === 'application/json' ? predictedFromJson(inferences, body, asked) : inferences.predict(body, asked));
  } catch (error) {
    // A client's broken picture says nothing about the release: it is not counted against it.
    if (error instanceof BadPicture) throw new RequestError(400, error.message);
    throw error;
  }
}

async function predictedFromJson(inferences: Inferences, body: Buffer, from: Asked): Promise<Prediction> {
  const { image, inputs, features, parameters } = parseJson(body, PredictRequest);
  const asked = { ...from, ...submissionOf(parameters) };
  if ([image, inputs, features].filter((given) => given !== undefined).length !== 1)
    throw new RequestError(400, 'the body must have one of "image", "inputs" and "features"');
  if (image) return inferences.predict(pictureFrom(image.base64), asked);
  if (features) return inferences.predict(features, asked);
  const expected = inferences.release.model.inputs;
  return inferences.predictFrom(readInputs(requestInputs(inputs ?? {}, expected), expected), asked);
}
