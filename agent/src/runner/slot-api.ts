import { RequestError, type Route, readBody } from './http.js';
import { BadPicture, type Inferences, type Prediction } from './inferences.js';

const pictureTypes = ['image/jpeg', 'image/png', 'image/webp'];

/** The typed API: an encoded picture in, labelled classes out, with the release's own pre- and postprocessing. */
export function slotRoutes(inferences: Inferences, isReady: () => boolean, record: (prediction: Prediction) => void): Route[] {
  const { slot, deployment, digest } = inferences.served;
  const { name: release } = inferences.release;
  const known = (asked: string | undefined) => {
    if (asked !== slot) throw new RequestError(404, `there is no slot "${asked}" here; this one is "${slot}"`);
  };
  return [
    { method: 'GET', path: '/healthz', handle: () => ({ body: { status: 'ok', slot, release, digest, deployment } }) },
    { method: 'GET', path: '/readyz', handle: () => ({ status: isReady() ? 200 : 503, body: { ready: isReady() } }) },
    {
      method: 'GET',
      path: '/v1/slots/:slot/predictions/latest',
      handle: (params) => {
        known(params['slot']);
        if (!inferences.latest) throw new RequestError(404, `${slot} has made no prediction yet`);
        return { body: inferences.latest };
      },
    },
    {
      method: 'POST',
      path: '/v1/slots/:slot/predict',
      handle: async (params, request) => {
        known(params['slot']);
        const type = request.headers['content-type']?.split(';')[0]?.trim();
        if (!type || !pictureTypes.includes(type))
          throw new RequestError(415, `the body is ${type ?? 'of no type'}, expected ${pictureTypes.join(' or ')}`);
        return { body: await predict(inferences, await readBody(request), record) };
      },
    },
  ];
}

async function predict(inferences: Inferences, picture: Buffer, record: (prediction: Prediction) => void): Promise<Prediction> {
  try {
    const prediction = await inferences.predict(picture);
    record(prediction);
    return prediction;
  } catch (error) {
    // A client's broken picture says nothing about the release: it is not counted against it.
    if (error instanceof BadPicture) throw new RequestError(400, error.message);
    throw error;
  }
}
