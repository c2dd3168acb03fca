import { Problem } from '@flotilla/protocol';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { z } from 'zod';
import { SchemaComponents } from './openapi-schemas.js';
import { httpStatus } from './platform/errors.js';
import { taggedExtension } from './platform/preconditions.js';
import { version } from './package-folder.js';

const methods = ['get', 'put', 'post', 'delete', 'head', 'patch'] as const;

/** OpenAPI 3.1 from the routes' own zod schemas; the default converter emits 3.0 forms, which 3.1 does not allow. */
export function openApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Flotilla')
    .setDescription('Operator API of the Flotilla control plane. Failures are problem details (RFC 9457) with a `code`.')
    .setVersion(version)
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'The content of `admin-token` in the data folder' }, 'admin')
    .addSecurityRequirements('admin')
    .build();
  const components = new SchemaComponents();
  const problem = components.add(Problem, 'output');
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
    standardSchemaConverter: (schema, { schemaType }) => ({ schema: components.add(schema as z.ZodType, schemaType) }),
  });
  addProblems(document, problem);
  addKeys(document);
  addTags(document);
  return { ...document, components: { ...document.components, schemas: components.sorted() as never } };
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: false,
  description: 'For 24 hours the same request with the same key is done once, and answered alike',
  schema: { type: 'string' as const, pattern: '^[!-~]{8,200}$' },
};
const ifMatch = {
  name: 'If-Match',
  in: 'header' as const,
  required: false,
  description: 'The ETag of what was read, or `*`: the change is refused (412) where it is another now',
  schema: { type: 'string' as const },
};
/** What is replaced or removed only as it was read. */
const conditional =
  /^\/api\/v1\/(devices\/\{id\}\/labels|groups\/\{name\}|groups\/\{name\}\/calendar|configurations.*|rollouts\/\{id\}\/commands)$/;

function addKeys(document: OpenAPIObject): void {
  for (const [name, path] of Object.entries(document.paths)) {
    for (const method of methods) {
      const operation = path[method];
      if (!operation || method === 'get' || method === 'head') continue;
      const headers = [...(method === 'post' ? [idempotencyKey] : []), ...(conditional.test(name) ? [ifMatch] : [])];
      if (headers.length > 0) operation.parameters = [...(operation.parameters ?? []), ...headers];
    }
  }
}

/** Answers with which a change can be made to what was read, and to nothing else. */
function addTags(document: OpenAPIObject): void {
  const etag = { description: 'For If-Match of a change', schema: { type: 'string' as const } };
  for (const operation of operationsOf(document)) {
    const marked = operation as { [taggedExtension]?: boolean };
    if (!marked[taggedExtension]) continue;
    delete marked[taggedExtension];
    for (const [status, response] of Object.entries(operation.responses))
      if (status.startsWith('2')) Object.assign(response!, { headers: { ETag: etag } });
  }
}

const operationsOf = ({ paths }: OpenAPIObject) =>
  Object.values(paths).flatMap((path) => methods.flatMap((method) => path[method] ?? []));

/** Every operation can fail, always in the same form. */
function addProblems(document: OpenAPIObject, problem: object): void {
  const content = { 'application/problem+json': { schema: problem } };
  for (const [name, path] of Object.entries(document.paths)) {
    for (const method of methods) {
      const operation = path[method];
      if (!operation) continue;
      // The answer to HEAD has none.
      const body = method === 'head' ? {} : { content };
      const refusals = statusesOf(name, method).map((status) => [status, { description: codesOf(status), ...body }]);
      operation.responses = {
        ...operation.responses,
        ...Object.fromEntries(refusals),
        default: { description: 'Refused or failed', ...body },
      };
    }
  }
}

/** The statuses with which an operation may refuse or fail. */
function statusesOf(path: string, method: string): number[] {
  const changes = method !== 'get' && method !== 'head';
  const artifacts = path.startsWith('/api/v1/artifacts');
  return [
    400,
    401,
    403,
    429,
    500,
    ...(path.includes('{') || changes ? [404] : []),
    ...(changes ? [409, 413] : []),
    ...(changes && conditional.test(path) ? [412, 428] : []),
    ...(method === 'post' || artifacts ? [422] : []),
    ...(artifacts && changes ? [507] : []),
  ].toSorted((a, b) => a - b);
}

/** Which codes stand for a status: the list of errors.ts is the only one. */
const codesOf = (status: number): string =>
  Object.entries(httpStatus)
    .filter(([, its]) => its === status)
    .map(([code]) => code)
    .join(', ');
