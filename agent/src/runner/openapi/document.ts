import { z } from 'zod';
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
import { type Content, type Operation, operations } from './operations.js';

type Json = Record<string, unknown>;

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
export function slotOpenApi(): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) (paths[operation.path] ??= {})[operation.method] = described(operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Flotilla slot',
      version: serverMetadata().version,
      description: 'What a slot of a device answers: its typed API, and the Open Inference Protocol, version 2.',
    },
    servers: [{ url: '/' }],
    // Neither is asked for on the device itself; an address that others reach asks for one of the two.
    security: [{}, { token: [] }, { clientCertificate: [] }],
    paths,
    components: {
      schemas: schemas(),
      securitySchemes: { token: { type: 'http', scheme: 'bearer' }, clientCertificate: { type: 'mutualTLS' } },
    },
  };
}

function described({ id, path, summary, takes, mayBeEmpty, gives, also = [], refusals = [] }: Operation): Json {
  const refused = [...refusals, ...(path === '/healthz' ? [] : [401, 503])].filter((status) => !also.includes(status));
  const responses = [
    ...(gives ? [200, ...also] : []).map(
      (status) => [status, { description: reasons[status], content: content(gives!) }] as const,
    ),
    ...refused.map(
      (status) => [status, { description: reasons[status], content: content({ 'application/json': ErrorAnswer }) }] as const,
    ),
  ];
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    description: parameterTexts[name!],
    schema: { type: 'string' },
  }));
  return {
    operationId: id,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(takes ? { requestBody: { required: !mayBeEmpty, content: content(takes) } } : {}),
    responses: Object.fromEntries(responses),
  };
}

const content = (by: Readonly<Record<string, Content>>): Json =>
  Object.fromEntries(Object.entries(by).map(([type, what]) => [type, what === 'bytes' ? {} : { schema: schemaOf(what) }]));

function schemaOf(what: Exclude<Content, 'bytes'>): Json {
  if (what === 'text') return {};
  const name = Object.entries(named).find(([, schema]) => schema === what)?.[0];
  if (!name) throw new Error('a schema of an operation has no name');
  return { $ref: `#/components/schemas/${name}` };
}

function schemas(): Json {
  return Object.fromEntries(
    Object.entries(named).map(([name, schema]) => {
      const { $schema: _, ...plain } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Json;
      return [name, plain];
    }),
  );
}
