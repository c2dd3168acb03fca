import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../platform/errors.js';
import { AdminToken } from './admin-token.js';

const open = new Set(['/api/v1/openapi.json']);

/** The operator API is for whoever holds the admin token; the page and the API's own description are for everybody. */
@Injectable()
export class AdminTokenGuard implements CanActivate {
  constructor(@Inject(AdminToken) private readonly token: AdminToken) {}

  canActivate(context: ExecutionContext): boolean {
    const { url, headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const [path = ''] = url.split('?');
    if (!path.startsWith('/api/') || open.has(path)) return true;
    const [scheme, given] = (headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() === 'bearer' && given && this.token.is(given)) return true;
    const missing = headers.authorization === undefined ? 'no token was sent' : 'the token is not the right one';
    throw new AppError(
      'UNAUTHORIZED',
      `${missing}: send "Authorization: Bearer …" with the content of admin-token in the data folder`,
    );
  }
}
