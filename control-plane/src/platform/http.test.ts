import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { AppError } from './errors.js';
import { speakProblems } from './http.js';

const Order = z.object({ items: z.array(z.object({ count: z.int() })) });
type Order = z.infer<typeof Order>;

@Controller('orders')
class OrdersController {
  @Post()
  create(@Body({ schema: Order }) order: Order) {
    return order;
  }
  @Get(':id')
  show(@Param('id', { schema: z.string().max(5) }) id: string) {
    if (id === 'bug') throw new TypeError('of ours');
    throw new AppError('DEVICE_NOT_FOUND', `no order ${id}`);
  }
}
@Module({ controllers: [OrdersController] })
class OrdersModule {}

const logged: string[] = [];
let app: NestFastifyApplication;
beforeAll(async () => {
  app = await NestFactory.create(OrdersModule, new FastifyAdapter({ bodyLimit: 100 }), { logger: false });
  app.setGlobalPrefix('api/v1');
  speakProblems(app, pino({}, { write: (line: string) => void logged.push(line) }));
  await app.init();
});
afterAll(() => app.close());

async function ask(method: 'GET' | 'POST', url: string, payload?: string) {
  const headers = { 'content-type': 'application/json' };
  const answer = await app.inject(payload === undefined ? { method, url } : { method, url, payload, headers });
  return { status: answer.statusCode, ...answer.json<{ code: string; detail: string }>() };
}
const problem = { type: expect.stringMatching(/^urn:flotilla:/) };

it('a known failure says what it is, as a problem', async () => {
  const answer = await app.inject('/api/v1/orders/7');
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(answer.json()).toEqual({
    type: 'urn:flotilla:DEVICE_NOT_FOUND',
    title: 'DEVICE_NOT_FOUND',
    status: 404,
    detail: 'no order 7',
    code: 'DEVICE_NOT_FOUND',
  });
});

it.each([
  [
    'a body that its schema refuses, by path',
    'POST',
    '/api/v1/orders',
    '{"items":[{"count":1},{"count":"two"}]}',
    400,
    /^items\.1\.count: /,
  ],
  ['a parameter that its schema refuses', 'GET', '/api/v1/orders/sixsix', undefined, 400, /Too big/],
  ['a body that is no JSON', 'POST', '/api/v1/orders', '{"items"', 400, /JSON/],
  ['a body that is too large', 'POST', '/api/v1/orders', `{"items":"${'x'.repeat(200)}"}`, 400, /too large/],
] as const)('%s is an invalid request', async (_, method, url, body, status, detail) => {
  expect(await ask(method, url, body)).toMatchObject({
    ...problem,
    code: 'INVALID_REQUEST',
    status,
    detail: expect.stringMatching(detail),
  });
});

it.each(['/api/v1/nothing?x=1', '/nothing'])('an unknown route is a problem too: %s', async (url) => {
  const expected = { ...problem, code: 'ROUTE_NOT_FOUND', status: 404, detail: `there is no GET ${url.split('?')[0]}` };
  expect(await ask('GET', url)).toMatchObject(expected);
});

it('a bug is logged with its stack and answered without it', async () => {
  const answer = await ask('GET', '/api/v1/orders/bug');
  expect(answer).toMatchObject({ ...problem, code: 'INTERNAL', status: 500 });
  expect(answer.detail).not.toContain('of ours');
  expect(logged.join()).toContain('TypeError: of ours');
});
