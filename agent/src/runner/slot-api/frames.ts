import type { IncomingMessage } from 'node:http';
import { FrameError, decodeFrame, encodeAnswer, frameType } from '../../frame.js';
import type { Prediction } from '../../prediction.js';
import { askerOf } from '../http/asker.js';
import { type Reply, RequestError, readBody } from '../../http/http.js';
import { isOnThisDevice } from '../http/nearness.js';
import { BadPicture, type Inferences } from '../inferences.js';
import { BadOverride } from '../pipeline/prepare.js';

export type FrameTaker = {
  inferences: Inferences;
  record: (prediction: Prediction) => void;
  isNear?: typeof isOnThisDevice | undefined;
};

/**
 * What the slot's own source took. All of a frame's predictions are recorded or none, so that one that failed in the middle can be sent again.
 * A release that can't read what its slot's source takes does not work there, which counts as its error; a client from elsewhere may say nothing of the kind.
 */
export async function inferFrame(
  { inferences, record, isNear = isOnThisDevice }: FrameTaker,
  request: IncomingMessage,
): Promise<Reply> {
  const asked = { since: performance.now(), asker: askerOf(request) };
  const frame = read(await readBody(request));
  try {
    const answer = await inferences.predictFrame(frame, asked, isNear(request.socket));
    answer.predictions.forEach(record);
    return { headers: { 'content-type': frameType }, body: encodeAnswer(answer) };
  } catch (error) {
    if (error instanceof BadOverride) throw new RequestError(400, error.message);
    if (!(error instanceof BadPicture)) throw error;
    if (isNear(request.socket)) inferences.unreadable(error);
    throw new RequestError(400, error.message);
  }
}

function read(body: Buffer) {
  try {
    return decodeFrame(body);
  } catch (error) {
    if (error instanceof FrameError) throw new RequestError(400, `the body is no frame: ${error.message}`);
    throw error;
  }
}
