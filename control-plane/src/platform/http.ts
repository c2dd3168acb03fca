import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, StandardSchemaValidationPipe } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { issueLines } from '@flotilla/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError, type ErrorCode, httpStatus } from './errors.js';
import type { Logger } from './logger.js';

/** In our own words, with the nearest known key for an unknown one. */
class SayingPipe extends StandardSchemaValidationPipe {
  protected override async validate<T>(...[value, schema, options]: Parameters<Validate>) {
    const result = await super.validate<T>(value, schema, options);
    if (!result.issues || !(schema instanceof z.ZodType)) return result;
    return { issues: issueLines(schema, { issues: result.issues as z.core.$ZodIssue[] }).map((message) => ({ message })) };
  }
}
type Validate = StandardSchemaValidationPipe['validate'];

/** Global: what a controller receives through `@Body({ schema })`, `@Param`, `@Query` has been parsed, or was refused by path. */
const validation = new SayingPipe({
  exceptionFactory: (issues) =>
    new AppError('INVALID_REQUEST', issues.map(({ path, message }) => [...at(path), message].join(': ')).join('; ')),
});

type Path = readonly (PropertyKey | { readonly key: PropertyKey })[];
const at = (path: Path | undefined) =>
  path && path.length > 0 ? [path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')] : [];

/** RFC 9457 problem details: what every refusal and failure looks like on the wire. */
export const problem = (code: ErrorCode, detail: string) => ({
  type: `urn:flotilla:${code}`,
  title: code,
  status: httpStatus[code],
  detail,
  code,
});

/** Known failures say what they are; anything else is a bug: logged with its stack, answered 500 without it. */
@Catch()
class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const known = asKnown(error, request);
    if (!known) this.log.error({ err: error, method: request.method, url: request.url }, 'request failed');
    const body = known ? problem(known.code, known.message) : problem('INTERNAL', 'the control plane failed; its log says how');
    const reply = http.getResponse<FastifyReply>();
    // A download that fails half-way can only be cut off.
    if (reply.raw.headersSent) reply.raw.destroy();
    else void reply.code(body.status).type('application/problem+json').send(body);
  }
}

/** PostgreSQL keeps no U+0000, and no half of a surrogate pair in JSON: nowhere, so that no schema has to say so. */
const isUnstorable = (error: unknown): boolean => {
  const { code, message = '' } = (error ?? {}) as { code?: string; message?: string };
  return code === '22021' || code === '22P05' || (code === '22P02' && message.includes('json'));
};
const unstorable = 'a text holds a character that cannot be kept: U+0000, or half of a surrogate pair';

/** Nest and Fastify refuse requests before a controller sees them: no such route, no JSON, too much of it. */
export function asKnown(error: unknown, request: FastifyRequest): AppError | null {
  if (error instanceof AppError) return error;
  if (isUnstorable(error)) return new AppError('INVALID_REQUEST', unstorable, { cause: error });
  const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: number } | null)?.statusCode;
  if (status === 404) return new AppError('ROUTE_NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`);
  if (status === undefined || status < 400 || status >= 500) return null;
  return new AppError('INVALID_REQUEST', (error as Error).message, { cause: error });
}

/** What each Nest application of ours answers with. */
export function speakProblems(app: NestFastifyApplication, log: Logger): void {
  app.useGlobalPipes(validation);
  app.useGlobalFilters(new ProblemFilter(log));
}
