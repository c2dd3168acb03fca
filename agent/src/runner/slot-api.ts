import { RequestError, type Route, readBody } from './http.js';
import { BadPicture, type GradedPrediction, type Inferences, type Prediction } from './inferences.js';
import type { LatestPrediction } from './latest-prediction.js';
import type { PredictionStreams } from './prediction-stream.js';

const pictureTypes = ['image/jpeg', 'image/png', 'image/webp'];

type Slot = {
  inferences: Inferences;
  isReady: () => boolean;
  latest: LatestPrediction;
  streams: PredictionStreams;
  record: (prediction: Prediction) => void;
};

/** The typed API: an encoded picture in, labelled classes out, with the release's own pre- and postprocessing. */
export function slotRoutes({ inferences, isReady, latest, streams, record }: Slot): Route[] {
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
    ofSlot('GET', '/predictions/stream', () => streams.admit()),
    ofSlot('POST', '/predict', async (_params, request) => {
      const type = request.headers['content-type']?.split(';')[0]?.trim();
      if (!type || !pictureTypes.includes(type))
        throw new RequestError(415, `the body is ${type ?? 'of no type'}, expected ${pictureTypes.join(' or ')}`);
      return { body: await predict(inferences, await readBody(request), record) };
    }),
  ];
}

async function predict(
  inferences: Inferences,
  picture: Buffer,
  record: (prediction: Prediction) => void,
): Promise<GradedPrediction> {
  try {
    const prediction = await inferences.predict(picture);
    record(prediction);
    return { ...prediction, quality: 'good' };
  } catch (error) {
    // A client's broken picture says nothing about the release: it is not counted against it.
    if (error instanceof BadPicture) throw new RequestError(400, error.message);
    throw error;
  }
}
