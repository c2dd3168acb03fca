import { ModelConfig, Nothing, NoRegions, RepositoryIndex, RepositoryIndexRequest, Statistics } from './oip-schemas.js';
import type { Operation } from '../../http/openapi.js';
import { ofModel } from './of-model.js';

const statistics = { summary: 'How many inferences, and how long they took', gives: { 'application/json': Statistics } } as const;
const trace = { summary: 'Refused: tracing is not offered', refusals: [403] } as const;
const refused = (id: string, method: Operation['method'], path: string, summary: string): Operation => ({
  id,
  method,
  path,
  summary: `Refused: ${summary}`,
  refusals: [403],
});

const regions = (kind: 'system' | 'cuda'): Operation[] => {
  const [base, name] = [`/v2/${kind}sharedmemory`, kind === 'cuda' ? 'CudaRegion' : 'SystemRegion'];
  const nothing = { method: 'post', summary: 'Nothing to forget', gives: { 'application/json': Nothing } } as const;
  return [
    { id: `list${name}s`, method: 'get', path: `${base}/status`, summary: 'None', gives: { 'application/json': NoRegions } },
    { id: `find${name}`, method: 'get', path: `${base}/region/{region}/status`, summary: 'There is none', refusals: [404] },
    refused(`register${name}`, 'post', `${base}/region/{region}/register`, 'shared memory is not offered'),
    { ...nothing, id: `unregister${name}s`, path: `${base}/unregister` },
    { ...nothing, id: `unregister${name}`, path: `${base}/region/{region}/unregister` },
  ];
};

/** Triton's extensions, as `oip/triton-routes.ts` answers them. */
export const tritonOperations: readonly Operation[] = [
  { ...statistics, id: 'allStatistics', method: 'get', path: '/v2/models/stats' },
  ...ofModel('/stats', { ...statistics, id: 'statistics', method: 'get', refusals: [404] }),
  ...ofModel('/config', {
    id: 'modelConfig',
    method: 'get',
    summary: 'The model’s configuration, as Triton has it',
    gives: { 'application/json': ModelConfig },
    refusals: [404],
  }),
  {
    id: 'repositoryIndex',
    method: 'post',
    path: '/v2/repository/index',
    summary: 'The one model that is here',
    takes: { 'application/json': RepositoryIndexRequest },
    mayBeEmpty: true,
    gives: { 'application/json': RepositoryIndex },
    refusals: [400],
  },
  { ...refused('loadModel', 'post', '/v2/repository/models/{model}/load', 'releases are assigned'), refusals: [403, 404] },
  { ...refused('unloadModel', 'post', '/v2/repository/models/{model}/unload', 'releases are assigned'), refusals: [403, 404] },
  ...regions('system'),
  ...regions('cuda'),
  { ...trace, id: 'traceSetting', method: 'get', path: '/v2/trace/setting' },
  { ...trace, id: 'setTrace', method: 'post', path: '/v2/trace/setting' },
  ...ofModel('/trace/setting', { ...trace, id: 'modelTraceSetting', method: 'get', refusals: [403, 404] }),
  ...ofModel('/trace/setting', { ...trace, id: 'setModelTrace', method: 'post', refusals: [403, 404] }),
  refused('logging', 'get', '/v2/logging', 'the level is set in agent.yaml'),
  refused('setLogging', 'post', '/v2/logging', 'the level is set in agent.yaml'),
];
