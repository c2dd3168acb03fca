import { digestOf } from '@flotilla/protocol';
import {
  applyDecorators,
  type CallHandler,
  createParamDecorator,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Observable, tap } from 'rxjs';
import { AppError } from './errors.js';

/** An entity tag (RFC 9110): equal as long as what it stands for is. */
export const tagOf = (value: unknown): string => `"${digestOf(value).slice(0, 20)}"`;

/** What a change expects to find: nobody's change is lost to another's who read the same before. */
export class Precondition {
  readonly #header: string | undefined;

  constructor(ifMatch?: string) {
    this.#header = ifMatch?.trim();
  }

  /** For changes that replace something whole. */
  mustBeGiven(what: string): this {
    if (this.#header === undefined)
      throw new AppError(
        'PRECONDITION_REQUIRED',
        `this replaces ${what} whole: send If-Match with the ETag of what you read, or "If-Match: *" to replace whatever is there`,
      );
    return this;
  }

  /** Under the lock of what is to change. `current`: its tag, absent where there is none. */
  check(what: string, current: string | undefined): void {
    const wanted = this.#header;
    if (wanted === undefined || (wanted === '*' && current !== undefined)) return;
    if (current !== undefined && wanted.split(',').some((tag) => tag.trim() === current)) return;
    const now = current === undefined ? 'it is not there' : `its ETag is ${current} now`;
    throw new AppError('PRECONDITION_FAILED', `${what} is not what If-Match names: ${now}; read it again, and repeat the change`);
  }
}

/** A controller's parameter, from the header `If-Match`. */
export const IfMatch = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Precondition =>
    new Precondition(context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']),
);

/** Turned into a description of the header by openapi.ts. */
export const taggedExtension = 'x-tagged';

/** The answer's `ETag`, made of the view that is sent. */
// oxlint-disable-next-line typescript/no-explicit-any
export const Tagged = (tag: (view: any) => string): MethodDecorator =>
  applyDecorators(UseInterceptors(new TagInterceptor(tag)), ApiExtension(taggedExtension, true));

class TagInterceptor implements NestInterceptor {
  constructor(private readonly tag: (view: unknown) => string) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(tap((view: unknown) => void reply.header('etag', this.tag(view))));
  }
}
