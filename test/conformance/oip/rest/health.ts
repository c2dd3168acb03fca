import { type Check, hold } from '../check.js';
import { jsonOf } from './client.js';
import type { RestContext } from './context.js';

type RestCheck = Check<RestContext>;

async function is200({ client }: RestContext, path: string): Promise<void> {
  const { status } = await client.send({ path });
  hold(status === 200, `status ${status}, expected 200`);
}

export const health: RestCheck[] = [
  {
    id: 'rest.health.live',
    level: 'MUST',
    clause: 'GET v2/health/live answers 200',
    run: (context) => is200(context, '/v2/health/live'),
  },
  {
    id: 'rest.health.ready',
    level: 'MUST',
    clause: 'GET v2/health/ready answers 200',
    run: (context) => is200(context, '/v2/health/ready'),
  },
  {
    id: 'rest.health.live-body',
    level: 'SHOULD',
    clause: 'the live answer is {"live": bool}',
    run: async ({ client }) => {
      const body = jsonOf(await client.send({ path: '/v2/health/live' })) as { live?: unknown };
      hold(body.live === true, '"live" is not true');
    },
  },
  {
    id: 'rest.health.model-ready',
    level: 'MUST',
    clause: 'GET v2/models/{model}/ready answers 200 for a loaded model',
    run: (context) => is200(context, context.path('/ready')),
  },
  {
    id: 'rest.health.model-version-ready',
    level: 'MUST',
    clause: 'GET v2/models/{model}/versions/{version}/ready answers 200 for each listed version',
    run: async (context) => {
      for (const version of context.model.versions) await is200(context, context.path('/ready', version));
    },
  },
  {
    id: 'rest.health.model-ready-body',
    level: 'SHOULD',
    clause: 'the model ready answer is {"name": string, "ready": bool}',
    run: async (context) => {
      const body = jsonOf(await context.client.send({ path: context.path('/ready') })) as { name?: unknown; ready?: unknown };
      hold(body.name === context.model.name && body.ready === true, '"name" and "ready" are not those of the model');
    },
  },
  {
    id: 'rest.health.unknown-model-not-ready',
    level: 'MUST',
    clause: 'a model that does not exist is not ready',
    run: async ({ client }) => {
      const { status } = await client.send({ path: '/v2/models/no-such-model/ready' });
      hold(status >= 400, `status ${status}, expected an error status`);
    },
  },
];
