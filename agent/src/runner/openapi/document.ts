import { openApi } from '../../http/openapi.js';
import { serverMetadata } from '../oip/server-metadata.js';
import { InferRequestHead } from '../oip/request.js';
import {
  ErrorAnswer,
  FeedbackAnswer,
  FeedbackRequest,
  GradedPrediction,
  PredictAnswer,
  PredictRequest,
  SlotList,
} from '../slot-api/slot-schemas.js';
import {
  Health,
  InferResponse,
  ModelConfig,
  ModelMetadata,
  ModelReady,
  NoRegions,
  Nothing,
  RepositoryIndex,
  RepositoryIndexRequest,
  ServerLive,
  ServerMetadata,
  ServerReady,
  Statistics,
} from './oip-schemas.js';
import { operations } from './operations.js';

/** What has a name in the document; everything else is written out where it stands. */
const named = {
  PredictRequest,
  PredictAnswer,
  GradedPrediction,
  FeedbackRequest,
  FeedbackAnswer,
  SlotList,
  Error: ErrorAnswer,
  Health,
  ServerMetadata,
  ServerLive,
  ServerReady,
  ModelMetadata,
  ModelReady,
  InferRequest: InferRequestHead,
  InferResponse,
  Statistics,
  ModelConfig,
  RepositoryIndexRequest,
  RepositoryIndex,
  NoRegions,
  Nothing,
};

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'The request is wrong; the sentence says how',
  401: 'Neither a token nor a client certificate that this address takes',
  403: 'Refused, whoever asks',
  404: 'No such slot, model or version, or nothing there',
  413: 'Too large',
  415: 'Not of a type that is taken',
  429: 'Too much at once; come again after `retry-after` seconds',
  500: 'The model failed',
  503: 'No model serves, or not yet',
};
const parameterTexts: Readonly<Record<string, string>> = {
  slot: 'The slot’s name.',
  model: 'The slot’s name.',
  region: 'Of shared memory, of which there is none.',
  version: 'The running release’s version; another is not here.',
};

/** The slot's API as OpenAPI 3.1, made of the schemas that its requests are parsed with. The same for every slot and release. */
export const slotOpenApi = (): Record<string, unknown> =>
  openApi({
    info: {
      title: 'Flotilla slot',
      version: serverMetadata().version,
      description: 'What a slot of a device answers: its typed API, and the Open Inference Protocol, version 2.',
    },
    operations,
    named,
    error: ErrorAnswer,
    reasons,
    parameters: parameterTexts,
    everywhere: ({ path }) => (path === '/healthz' ? [] : [401, 503]),
  });
