import type { z } from 'zod';
import { frameType } from '../../frame.js';
import type { Operation } from '../../http/openapi.js';
import { InferRequestHead } from '../oip/request.js';
import { predictTypes } from '../slot-api/slot-api.js';
import {
  FeedbackAnswer,
  FeedbackRequest,
  GradedPrediction,
  PredictAnswer,
  PredictRequest,
  SlotList,
} from '../slot-api/slot-schemas.js';
import { Health, InferResponse, ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady } from './oip-schemas.js';
import { ofModel } from './of-model.js';
import { tritonOperations } from './triton-operations.js';

const json = (schema: z.ZodType) => ({ 'application/json': schema });
const slot = (rest: string) => `/v1/slots/{slot}${rest}`;
const pictures = Object.fromEntries(
  predictTypes.filter((type) => type !== 'application/json').map((type) => [type, 'bytes' as const]),
);
const binary = { 'application/octet-stream': 'bytes' } as const;

/** What a slot's listener answers to; a test holds this list against the routes. */
export const operations: readonly Operation[] = [
  {
    method: 'post',
    id: 'predict',
    path: slot('/predict'),
    summary: 'A picture or named tensors in, the labelled prediction out',
    takes: { ...pictures, ...json(PredictRequest) },
    gives: json(PredictAnswer),
    refusals: [400, 404, 413, 415, 429, 500],
  },
  {
    method: 'post',
    id: 'inferFrame',
    path: slot('/frames'),
    summary:
      'What a source took, with what the release remembers of its stream: the length of a JSON head in 4 bytes, the head, the bytes',
    takes: { [frameType]: 'bytes' },
    gives: { [frameType]: 'bytes' },
    refusals: [400, 404, 413, 415, 429, 500],
  },
  {
    method: 'get',
    id: 'latestPrediction',
    path: slot('/predictions/latest'),
    summary: 'The last prediction; look at its quality',
    gives: json(GradedPrediction),
    refusals: [404],
  },
  {
    method: 'get',
    id: 'streamPredictions',
    path: slot('/predictions/stream'),
    summary: 'Every prediction as it is made, as Server-Sent Events',
    gives: { 'text/event-stream': 'text' },
    refusals: [404, 429],
  },
  {
    method: 'post',
    id: 'giveFeedback',
    path: slot('/feedback'),
    summary: 'Whether a prediction was right; the last word on each holds',
    takes: json(FeedbackRequest),
    gives: json(FeedbackAnswer),
    refusals: [400, 404, 413, 415],
  },
  {
    id: 'slots',
    method: 'get',
    path: '/v1/slots',
    summary: 'The slots of this device, and where each listens',
    gives: json(SlotList),
  },
  { id: 'health', method: 'get', path: '/healthz', summary: 'Alive, and what serves', gives: json(Health) },
  { id: 'ready', method: 'get', path: '/readyz', summary: 'Whether requests are taken', gives: json(ServerReady), also: [503] },
  { id: 'metrics', method: 'get', path: '/metrics', summary: 'Figures for Prometheus', gives: { 'text/plain': 'text' } },
  { id: 'openApi', method: 'get', path: '/openapi.json', summary: 'This description', gives: { 'application/json': 'text' } },
  { id: 'serverMetadata', method: 'get', path: '/v2', summary: 'The server and its extensions', gives: json(ServerMetadata) },
  { id: 'serverLive', method: 'get', path: '/v2/health/live', summary: 'Alive', gives: json(ServerLive) },
  { id: 'serverReady', method: 'get', path: '/v2/health/ready', summary: 'Ready', gives: json(ServerReady), also: [503] },
  ...ofModel('', {
    id: 'modelMetadata',
    method: 'get',
    summary: 'Inputs and outputs of the model',
    gives: json(ModelMetadata),
    refusals: [404],
  }),
  ...ofModel('/ready', {
    id: 'modelReady',
    method: 'get',
    summary: 'Whether the model takes requests',
    gives: json(ModelReady),
    also: [503],
    refusals: [404],
  }),
  ...ofModel('/infer', {
    id: 'infer',
    method: 'post',
    summary:
      'Tensors in, tensors out: JSON, or JSON and the bytes after it where Inference-Header-Content-Length says how long it is',
    takes: { ...json(InferRequestHead), ...binary },
    gives: { ...json(InferResponse), ...binary },
    refusals: [400, 404, 413, 415, 429, 500],
  }),
  ...tritonOperations,
];
