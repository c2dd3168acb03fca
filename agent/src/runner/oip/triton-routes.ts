import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { RequestError, type Route, readBody } from '../../http/http.js';
import { parseJson } from '../../http/json-body.js';
import type { Monitor } from '../monitor/monitor.js';
import type { ServedModel } from './served-model.js';
import { modelStatistics } from './statistics.js';

type Parts = { model: ServedModel; monitor: Monitor; isReady: () => boolean; ofModel: OfModel };
/** A path below the model's, with and without the version. */
export type OfModel = (path: string, method: Route['method'], handle: Route['handle']) => Route[];

const assigned =
  'which release a slot runs is assigned from the control plane; start a rollout there, this address neither loads nor unloads models';
const noSharedMemory = 'shared memory is not offered; send tensors in the body, as binary data';
const noTrace = 'tracing is not offered; /metrics and the statistics say how long inferences take';
const noLogSettings = 'log settings are not offered; "logLevel" in agent.yaml sets how much the agent and its runners say';

/** What Triton's clients and load generators ask for besides the protocol itself. What changes the server is refused. */
export function tritonRoutes({ model, monitor, isReady, ofModel }: Parts): Route[] {
  const statistics = () => ({ body: modelStatistics(model, monitor.statistics()) });
  return [
    { method: 'GET', path: '/v2/models/stats', handle: statistics },
    ...ofModel('/stats', 'GET', statistics),
    ...ofModel('/config', 'GET', () => ({ body: model.config })),
    ...repository(model, isReady),
    ...['/v2/systemsharedmemory', '/v2/cudasharedmemory'].flatMap(sharedMemory),
    ...refusing(['GET', 'POST'], '/v2/trace/setting', noTrace),
    ...ofModel('/trace/setting', 'GET', () => refuse(noTrace)),
    ...ofModel('/trace/setting', 'POST', () => refuse(noTrace)),
    ...refusing(['GET', 'POST'], '/v2/logging', noLogSettings),
  ];
}

const IndexRequest = z.object({ ready: z.boolean().optional() });

function repository(served: ServedModel, isReady: () => boolean): Route[] {
  const { name, version } = served;
  const entry = () => ({ name, version, state: isReady() ? 'READY' : 'UNAVAILABLE', reason: isReady() ? '' : 'it hands over' });
  return [
    {
      method: 'POST',
      path: '/v2/repository/index',
      handle: async (_params, request) => {
        const { ready = false } = await optionalJson(request);
        return { body: ready && !isReady() ? [] : [entry()] };
      },
    },
    ...['load', 'unload'].map((change): Route => ({
      method: 'POST',
      path: `/v2/repository/models/:model/${change}`,
      handle: ({ model }) => {
        served.known(model!, undefined);
        return refuse(assigned);
      },
    })),
  ];
}

/** Without a body, every model is meant. */
async function optionalJson(request: IncomingMessage): Promise<z.infer<typeof IndexRequest>> {
  const body = await readBody(request);
  return body.length === 0 ? {} : parseJson(body, IndexRequest);
}

/** None can be registered: there is none to list, and none to forget. */
const sharedMemory = (base: string): Route[] => [
  { method: 'GET', path: `${base}/status`, handle: () => ({ body: [] }) },
  {
    method: 'GET',
    path: `${base}/region/:region/status`,
    handle: ({ region }) => {
      throw new RequestError(404, `there is no region "${region}": ${noSharedMemory}`);
    },
  },
  ...refusing(['POST'], `${base}/region/:region/register`, noSharedMemory),
  { method: 'POST', path: `${base}/unregister`, handle: () => ({ body: {} }) },
  { method: 'POST', path: `${base}/region/:region/unregister`, handle: () => ({ body: {} }) },
];

const refusing = (methods: readonly Route['method'][], path: string, why: string): Route[] =>
  methods.map((method) => ({ method, path, handle: () => refuse(why) }));

/** Nobody may, whoever asks: 403 rather than 501, for the client can do something about it. */
function refuse(why: string): never {
  throw new RequestError(403, why);
}
