import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../platform/errors.js';
import { AdminToken } from './admin-token.js';
import { admin, setOperator, type Operator } from './operator.js';
import { OperatorsService } from './operators.service.js';

const open = new Set(['/api/v1/openapi.json']);
const onlyAdmin = /^\/api\/v1\/(operators|backups)(\/|$)/;
const rolloutCommand = /^\/api\/v1\/rollouts\/[^/]+\/commands$/;

/** The operator API is for the admin and for operators with a token; the page and the API's own description are for everybody. */
@Injectable()
export class AdminTokenGuard implements CanActivate {
  constructor(
    @Inject(AdminToken) private readonly token: AdminToken,
    @Inject(OperatorsService) private readonly operators: OperatorsService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const [path = ''] = request.url.split('?');
    if (!(path.startsWith('/api/') || path === '/metrics') || open.has(path)) return true;
    const operator = await this.whoIs(request.headers.authorization);
    const refusal = refusalOf(operator, request.method, path);
    if (refusal) throw new AppError('FORBIDDEN', refusal);
    setOperator(request, operator);
    return true;
  }

  private async whoIs(authorization: string | undefined): Promise<Operator> {
    const [scheme, given] = (authorization ?? '').split(' ');
    if (scheme?.toLowerCase() === 'bearer' && given) {
      if (this.token.is(given)) return admin;
      const operator = await this.operators.byToken(given);
      if (operator) return operator;
    }
    const missing = authorization === undefined ? 'no token was sent' : 'the token is not the right one';
    throw new AppError(
      'UNAUTHORIZED',
      `${missing}: send "Authorization: Bearer …" with the content of admin-token in the data folder`,
    );
  }
}

/** What a rollout's command is about is the controller's to look at. */
function refusalOf({ name, role }: Operator, method: string, path: string): string | undefined {
  if (role === 'admin') return undefined;
  if (onlyAdmin.test(path)) return `${name} is ${role}: this is for the admin`;
  if (role === 'operator' || method === 'GET' || rolloutCommand.test(path)) return undefined;
  return `${name} is ${role}: they may look, and approve or reject rollouts`;
}
