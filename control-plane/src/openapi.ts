import { Problem } from '@flotilla/protocol';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { z } from 'zod';
import { SchemaComponents } from './openapi-schemas.js';
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
  return { ...document, components: { ...document.components, schemas: components.sorted() as never } };
}

/** Every operation can fail, always in the same form. */
function addProblems(document: OpenAPIObject, problem: object): void {
  const content = { 'application/problem+json': { schema: problem } };
  for (const path of Object.values(document.paths)) {
    for (const method of methods) {
      const operation = path[method];
      if (operation) operation.responses = { ...operation.responses, default: { description: 'Refused or failed', content } };
    }
  }
}
