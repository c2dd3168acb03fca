import type { FastifyInstance } from 'fastify';
import { AppError } from '../platform/errors.js';
import { problem } from '../platform/http.js';
import type { Logger } from '../platform/logger.js';

/** The device API answers as the operator API does: RFC 9457 problem details. */
export function answerProblems(app: FastifyInstance, log: Logger): void {
  app.setNotFoundHandler((request) => {
    throw new AppError('ROUTE_NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`);
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const known = asKnown(error);
    if (!known) log.error({ err: error, method: request.method, url: request.url }, 'device request failed');
    const body = known ? problem(known.code, known.message) : problem('INTERNAL', 'the control plane failed; its log says how');
    void reply.code(body.status).type('application/problem+json').send(body);
  });
}

/** Fastify refuses some requests itself: no JSON, another content type, too much of it. */
function asKnown(error: Error & { statusCode?: number }): AppError | null {
  if (error instanceof AppError) return error;
  const { statusCode = 500 } = error;
  return statusCode >= 400 && statusCode < 500 ? new AppError('INVALID_REQUEST', error.message, { cause: error }) : null;
}
