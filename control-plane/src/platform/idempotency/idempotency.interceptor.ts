import { digestOf, sha256 } from '@flotilla/protocol';
import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { AppError } from '../errors.js';
import { asKnown } from '../http.js';
import type { Logger } from '../logger.js';
import { CLOCK, type Clock, LOGGER } from '../tokens.js';
import type { IdempotentRequestRow } from './idempotency.entity.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { AnswerSeal } from './sealed-answer.js';

/** Who takes longer was most likely stopped in mid-work. */
const runsAtMostMs = 60_000;
const keyForm = /^[\x21-\x7e]{8,200}$/;

interface Keyed {
  id: string;
  requestHash: string;
  seal: AnswerSeal;
}

/** A POST with an `Idempotency-Key` is done once: the same request again gets the same answer, from whichever replica. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    @Inject(IdempotencyRepository) private readonly requests: IdempotencyRepository,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || key === undefined) return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return from(this.once(keyed(request, String(key)), request, reply, next));
  }

  private async once(asked: Keyed, request: FastifyRequest, reply: FastifyReply, next: CallHandler): Promise<unknown> {
    const earlier = await this.requests.begin(asked.id, asked.requestHash, this.clock.now());
    if (earlier) return this.again(asked, earlier, reply);
    try {
      const answer: unknown = await lastValueFrom(next.handle(), { defaultValue: undefined });
      const sealed = asked.seal.close(JSON.stringify(answer ?? null));
      await this.afterwards(this.requests.done(asked.id, reply.statusCode, sealed));
      return answer;
    } catch (error) {
      const refused = asKnown(error, request) !== null;
      await this.afterwards(refused ? this.requests.release(asked.id) : this.requests.outcomeUnknown(asked.id));
      throw error;
    }
  }

  private again({ requestHash, seal }: Keyed, earlier: IdempotentRequestRow, reply: FastifyReply): unknown {
    if (earlier.requestHash !== requestHash)
      throw new AppError('KEY_REUSED', 'this Idempotency-Key came with another request before: use a new key for each request');
    if (earlier.state === 'done' && earlier.answer && earlier.status !== null) {
      reply.code(earlier.status).header('idempotency-replayed', 'true');
      return JSON.parse(seal.open(earlier.answer)) as unknown;
    }
    if (earlier.state === 'running' && this.clock.now().getTime() - earlier.createdAt.getTime() < runsAtMostMs) {
      reply.header('retry-after', '1');
      throw new AppError(
        'REQUEST_RUNNING',
        'the first request with this Idempotency-Key is being worked on: ask again in a second',
      );
    }
    throw new AppError(
      'OUTCOME_UNKNOWN',
      'the first request with this Idempotency-Key was cut off midway: look whether it was done; to repeat it, use a new key',
    );
  }

  /** The request itself is over: that its end could not be recorded must not turn it into a failure. */
  private async afterwards(record: Promise<void>): Promise<void> {
    await record.catch((error: unknown) =>
      this.log.warn({ err: error }, 'the end of a request with a key could not be recorded'),
    );
  }
}

function keyed(request: FastifyRequest, key: string): Keyed {
  if (!keyForm.test(key))
    throw new AppError('INVALID_REQUEST', 'Idempotency-Key: give 8 to 200 visible ASCII characters, such as a UUID');
  const token = request.headers.authorization ?? '';
  const { method, url, body = null } = request;
  return {
    id: sha256(JSON.stringify([token, key])),
    requestHash: hashOf({ method, url, body }),
    seal: new AnswerSeal(token, key),
  };
}

function hashOf(request: object): string {
  try {
    return digestOf(request);
  } catch (cause) {
    throw new AppError('INVALID_REQUEST', 'the body is nested too deeply', { cause });
  }
}
