import type { Inferences } from '../inferences.js';
import type { StatisticsSnapshot } from '../monitor/serving-statistics.js';
import { infer } from '../oip/infer.js';
import { servedModel } from '../oip/served-model.js';
import { serverMetadata } from '../oip/server-metadata.js';
import { modelStatistics } from '../oip/statistics.js';
import {
  ModelConfigResponse,
  ModelMetadataResponse,
  ModelStatisticsResponse,
  ReadyResponse,
  RepositoryIndexResponse,
  ServerLiveResponse,
  ServerMetadataResponse,
  inferenceService,
} from './answers.js';
import { type Schema, encode } from './encode.js';
import { type AskedInference, idOf, readInferRequest } from './infer-request.js';
import { inferResponsePieces, streamedAnswer, streamedFailure } from './infer-response.js';
import type { CallTime, Method, Pieces, Unary } from './methods.js';
import { fields, textIn } from '../../protobuf.js';
import { CallError, codes, statusOf } from './status.js';

export type Served = {
  inferences: Inferences;
  isReady: () => boolean;
  statistics: () => StatisticsSnapshot;
  /** What is no client's fault. */
  onBug: (error: unknown) => void;
};

const unary = (handle: Unary['handle']): Unary => ({ kind: 'unary', handle });
const answer = (schema: Schema, message: object): Pieces => [encode(schema, message)];
const refused = (why: string): Unary =>
  unary(() => {
    throw new CallError(codes.unimplemented, why);
  });

const assigned = 'which release runs here is decided by its assignment in the fleet; assign another release to this slot';
const noSharedMemory = 'shared memory is not offered; send tensors in the message, as raw_input_contents';
const noSettings = 'this is set in agent.yaml, and for the whole agent';

/** The Open Inference Protocol over gRPC, by Triton's service: one model, known by its slot's name. */
export function inferenceMethods(served: Served): ReadonlyMap<string, Method> {
  const { inferences, isReady, statistics } = served;
  const model = servedModel(inferences);
  const { name, version } = model;
  const server = serverMetadata();
  /** For a request that holds a name and a version: the name may be left out where nothing else can be meant. */
  const ofModel = (respond: () => Pieces) =>
    unary((request) => {
      const asked = nameAndVersion(request);
      model.known(asked.name, asked.version);
      return respond();
    });
  const index = () => ({
    name,
    version,
    state: isReady() ? 'READY' : 'UNAVAILABLE',
    reason: isReady() ? '' : 'moving to another runner',
  });
  const methods: Readonly<Record<string, Method>> = {
    ServerLive: unary(() => answer(ServerLiveResponse, { live: true })),
    ServerReady: unary(() => answer(ReadyResponse, { ready: isReady() })),
    ModelReady: ofModel(() => answer(ReadyResponse, { ready: isReady() })),
    ServerMetadata: unary(() => answer(ServerMetadataResponse, server)),
    ModelMetadata: ofModel(() => answer(ModelMetadataResponse, model.metadata)),
    ModelConfig: ofModel(() => answer(ModelConfigResponse, { config: model.config })),
    ModelStatistics: unary((request) => {
      const asked = nameAndVersion(request);
      // Triton's: without a name, all models.
      if (asked.name !== '') model.known(asked.name, asked.version);
      return answer(ModelStatisticsResponse, modelStatistics({ name, version }, statistics()));
    }),
    ModelInfer: unary(async (request, time) => respond(served, readAsked(request), time)),
    ModelStreamInfer: {
      kind: 'streaming',
      handle: async (request, time, send) => send(await respondInStream(served, request, time)),
    },
    RepositoryIndex: unary((request) =>
      answer(RepositoryIndexResponse, { models: onlyReady(request) && !isReady() ? [] : [index()] }),
    ),
    RepositoryModelLoad: refused(assigned),
    RepositoryModelUnload: refused(assigned),
    SystemSharedMemoryStatus: unary(() => []),
    SystemSharedMemoryRegister: refused(noSharedMemory),
    SystemSharedMemoryUnregister: unary(() => []),
    CudaSharedMemoryStatus: unary(() => []),
    CudaSharedMemoryRegister: refused(noSharedMemory),
    CudaSharedMemoryUnregister: unary(() => []),
    TraceSetting: refused(noSettings),
    LogSettings: refused(noSettings),
  };
  return new Map(Object.entries(methods).map(([method, does]) => [`/${inferenceService}/${method}`, does]));

  function readAsked(request: Buffer): AskedInference {
    const asked = readInferRequest(request);
    model.known(asked.model, asked.version);
    return asked;
  }

  /** A bad request is answered for itself, and the stream goes on. */
  async function respondInStream(around: Served, request: Buffer, time: CallTime): Promise<Pieces> {
    try {
      const asked = readAsked(request);
      const last = asked.parameters.get('triton_enable_empty_final_response') === true;
      return streamedAnswer(await respond(around, asked, time, last));
    } catch (error) {
      const status = statusOf(error);
      if (status.code === codes.internal) around.onBug(error);
      return streamedFailure(status.message, idOf(request));
    }
  }
}

async function respond({ inferences }: Served, { request }: AskedInference, call: CallTime, last = false): Promise<Pieces> {
  const limits = [request.submission.timeoutMs, call.timeoutMs].filter((ms) => ms !== undefined);
  const timeoutMs = limits.length > 0 ? Math.min(...limits) : undefined;
  return infer(inferences, request, { since: call.since, timeoutMs, asker: call }, (head, wanted, outputs) =>
    inferResponsePieces(head, wanted, outputs, last),
  );
}

/** ModelReady, ModelMetadata, ModelConfig and ModelStatistics ask alike. */
function nameAndVersion(request: Buffer): { name: string; version: string | undefined } {
  let name = '';
  let version = '';
  for (const field of fields(request)) {
    if (field.id === 1) name = textIn(field);
    else if (field.id === 2) version = textIn(field);
  }
  return { name, version: version === '' ? undefined : version };
}

function onlyReady(request: Buffer): boolean {
  for (const field of fields(request)) if (field.id === 2 && field.wire === 'varint') return field.value !== 0;
  return false;
}
