import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { AppModule, type AppParts } from './app.module.js';
import { openApi } from './openapi.js';
import { problem, speakProblems } from './platform/http.js';
import { nestLogger } from './platform/logger.js';

/** Manifests list up to 4,096 files, groups 10,000 devices. */
const bodyLimit = 4 * 1024 ** 2;

/** Node takes no longer head: that a name is too long is said by its schema. */
const routerOptions = { maxParamLength: 16_384 };
/** Refused before it was routed: an address that is no address. */
const frameworkErrors = (error: Error, _request: unknown, reply: FastifyReply) => {
  const body = problem('INVALID_REQUEST', error.message);
  void reply.code(body.status).type('application/problem+json').send(body);
};

/** The operator API, its description and the page; it does not listen yet. */
export async function buildOperatorApi(parts: AppParts): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ bodyLimit, forceCloseConnections: true, routerOptions, frameworkErrors });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(parts), adapter, {
    logger: nestLogger(parts.log),
    // A failure at start is ours to tell, not Nest's to end the process for.
    abortOnError: false,
  });
  speakProblems(app, parts.log);
  acceptStreams(adapter.getInstance() as FastifyInstance);
  describe(app);
  return app;
}

/** Uploads stay streams: the body is the request's own stream, whatever its length. */
function acceptStreams(fastify: FastifyInstance): void {
  fastify.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
}

function describe(app: NestFastifyApplication): void {
  let text: string | undefined;
  app
    .getHttpAdapter()
    .getInstance()
    .get('/api/v1/openapi.json', (_request, reply) => {
      text ??= JSON.stringify(openApi(app));
      return reply.type('application/json').send(text);
    });
}
