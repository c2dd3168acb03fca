import { Problem } from '@flotilla/protocol';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';
import { version } from './package-folder.js';

type JsonSchema = Record<string, unknown>;
const methods = ['get', 'put', 'post', 'delete', 'head', 'patch'] as const;

/** OpenAPI 3.1 from the routes' own zod schemas; the default converter emits 3.0 forms, which 3.1 does not allow. */
export function openApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Flotilla')
    .setDescription('Operator API of the Flotilla control plane. Failures are problem details (RFC 9457) with a `code`.')
    .setVersion(version)
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: "The content of `admin-token` in the data folder" }, 'admin')
    .addSecurityRequirements('admin')
    .build();
  const components: Record<string, JsonSchema> = { Problem: hoisted(toJson(Problem, 'output'), {}) };
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
    standardSchemaConverter: (schema, { schemaType }) => ({
      schema: hoisted(toJson(schema as z.ZodType, schemaType), components, schemaType),
    }),
  });
  return withProblems({ ...document, components: { ...document.components, schemas: sorted(components) } });
}

function toJson(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' });
  return json;
}

/** `$defs` become components. What is read and what is written differ (defaults): a written one that differs is named `…Input`. */
function hoisted(json: JsonSchema, components: Record<string, JsonSchema>, io: 'input' | 'output' = 'output'): JsonSchema {
  const { $defs = {}, ...root } = json;
  const { id, ...content } = root;
  const definitions = { ...($defs as Record<string, JsonSchema>), ...(typeof id === 'string' && { [id]: content }) };
  const names = new Map(Object.keys(definitions).map((name) => [name, nameFor(name, definitions[name]!, components, io)]));
  for (const [name, definition] of Object.entries(definitions)) {
    const { id: _, ...body } = definition;
    components[names.get(name)!] = pointed(body, names) as JsonSchema;
  }
  return (typeof id === 'string' ? { $ref: refTo(names.get(id)!) } : pointed(content, names)) as JsonSchema;
}

const refTo = (name: string) => `#/components/schemas/${name}`;

function nameFor(name: string, body: JsonSchema, components: Record<string, JsonSchema>, io: 'input' | 'output'): string {
  const taken = components[name];
  if (!taken || io === 'output') return name;
  return JSON.stringify(strip(body)) === JSON.stringify(taken) ? name : `${name}Input`;
}
const strip = (body: JsonSchema) => pointed(Object.fromEntries(Object.entries(body).filter(([key]) => key !== 'id')), new Map());

/** References into `$defs` point into the document's components instead. */
function pointed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => pointed(item, names));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key === '$ref' ? pointer(String(item), names) : pointed(item, names)]),
  );
}

function pointer(ref: string, names: ReadonlyMap<string, string>): string {
  const name = ref.replace(/^#\/\$defs\//, '');
  return name === ref ? ref : refTo(names.get(name) ?? name);
}

/** Every operation can fail, always in the same form. */
function withProblems(document: OpenAPIObject): OpenAPIObject {
  const content = { 'application/problem+json': { schema: { $ref: refTo('Problem') } } };
  for (const path of Object.values(document.paths)) {
    for (const method of methods) {
      const operation = path[method];
      if (operation) operation.responses = { ...operation.responses, default: { description: 'Refused or failed', content } };
    }
  }
  return document;
}

const sorted = (components: Record<string, JsonSchema>) =>
  Object.fromEntries(Object.entries(components).toSorted(([a], [b]) => (a < b ? -1 : 1))) as never;
