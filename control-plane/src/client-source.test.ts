import { describe, expect, it } from 'vitest';
import { clientSource } from './client-source.js';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const answers = (schema: object) => ({ '200': { content: { 'application/json': { schema } } } });
const source = (path: string, method: string, operation: object) =>
  clientSource({ openapi: '3.1.0', info: { title: '', version: '' }, paths: { [path]: { [method]: operation } } } as never);

describe('the source of a client', () => {
  it('gives an operation what its description says: parts of the path, query, body, ETag', () => {
    const operation = {
      operationId: 'Groups.change',
      parameters: [
        { name: 'limit', in: 'query', schema: { type: 'integer' } },
        { name: 'kind', in: 'query', required: true, schema: { enum: ['a', 'b'] } },
        { name: 'If-Match', in: 'header' },
      ],
      requestBody: { content: { 'application/json': { schema: ref('GroupChangeInput') } } },
      responses: answers(ref('GroupView')),
    };
    expect(source('/api/v1/groups/{name}', 'patch', operation)).toContain(
      "change: (name: string, body: z.input<typeof GroupChange>, query: { limit?: number | undefined; kind: 'a' | 'b' }, ifMatch?: string): Promise<GroupView> => " +
        'this.patch(this.address(at`/api/v1/groups/${name}`, query), body, GroupView, ifMatch),',
    );
  });

  it('reads all pages of a list', () => {
    const page = { properties: { items: { items: ref('GroupView') }, next: {} } };
    const parameters = ['limit', 'cursor'].map((name) => ({ name, in: 'query', schema: { type: 'string' } }));
    const text = source('/api/v1/groups', 'get', { operationId: 'Groups.list', parameters, responses: answers(page) });
    expect(text).toContain('list: (most?: number): Promise<GroupView[]> => this.list(at`/api/v1/groups`, GroupView, most),');
  });

  it.each([
    ['has no name', {}, 'get /api/v1/x: its answer has no name; give its schema an id'],
    ['is not the protocol’s', ref('Elsewhere'), 'Elsewhere is not in @flotilla/protocol: what the API speaks belongs there'],
  ])('is refused where an answer %s', (_what, schema, message) => {
    expect(() => source('/api/v1/x', 'get', { operationId: 'X.show', responses: answers(schema) })).toThrow(message);
  });
});
