import { z } from 'zod';

type Json = Record<string, unknown>;

export type Content = z.ZodType | 'bytes' | 'text';
export type Operation = {
  id: string;
  method: 'get' | 'post';
  path: string;
  summary: string;
  /** Content by media type. */
  takes?: Readonly<Record<string, Content>>;
  mayBeEmpty?: true;
  /** Nothing, where it is always refused. */
  gives?: Readonly<Record<string, Content>>;
  /** Statuses besides 200 whose answer has the same form. */
  also?: readonly number[];
  refusals?: readonly number[];
};

type Surface = {
  info: { title: string; version: string; description: string };
  operations: readonly Operation[];
  /** What has a name in the document: each schema that an operation names. */
  named: Readonly<Record<string, z.ZodType>>;
  /** What each refusal's body is. */
  error: z.ZodType;
  /** What each status means, in words. */
  reasons: Readonly<Record<number, string>>;
  /** Of what stands in braces in a path. */
  parameters: Readonly<Record<string, string>>;
  /** What an operation may be refused with wherever it is. */
  everywhere: (operation: Operation) => readonly number[];
};

/** OpenAPI 3.1 of what the schemas are that requests are parsed with and answers are typed by. */
export function openApi(surface: Surface): Json {
  const paths: Record<string, Json> = {};
  for (const operation of surface.operations) (paths[operation.path] ??= {})[operation.method] = described(operation, surface);
  return {
    openapi: '3.1.0',
    info: surface.info,
    servers: [{ url: '/' }],
    security,
    paths,
    components: {
      schemas: written(surface.named),
      securitySchemes,
    },
  };
}

/** Neither is asked for on the device itself; an address that others reach asks for one of the two. */
const security = [{}, { token: [] }, { clientCertificate: [] }];
const securitySchemes = { token: { type: 'http', scheme: 'bearer' }, clientCertificate: { type: 'mutualTLS' } };

function described(operation: Operation, surface: Surface): Json {
  const { id, path, summary, takes, mayBeEmpty, gives, also = [], refusals = [] } = operation;
  const { reasons, error, named } = surface;
  const content = (by: Readonly<Record<string, Content>>) => contentOf(by, named);
  const refused = [...refusals, ...surface.everywhere(operation)].filter((status) => !also.includes(status));
  const responses = [
    ...(gives ? [200, ...also] : []).map(
      (status) => [status, { description: reasons[status], content: content(gives!) }] as const,
    ),
    ...refused.map(
      (status) => [status, { description: reasons[status], content: content({ 'application/json': error }) }] as const,
    ),
  ];
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    description: surface.parameters[name!],
    schema: { type: 'string' },
  }));
  return {
    operationId: id,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(takes ? { requestBody: { required: !mayBeEmpty, content: content(takes) } } : {}),
    responses: Object.fromEntries(responses),
  };
}

const contentOf = (by: Readonly<Record<string, Content>>, named: Surface['named']): Json =>
  Object.fromEntries(Object.entries(by).map(([type, what]) => [type, what === 'bytes' ? {} : { schema: schemaOf(what, named) }]));

function schemaOf(what: Exclude<Content, 'bytes'>, named: Surface['named']): Json {
  if (what === 'text') return {};
  const name = Object.entries(named).find(([, schema]) => schema === what)?.[0];
  if (!name) throw new Error('a schema of an operation has no name');
  return { $ref: `#/components/schemas/${name}` };
}

/** One that lies within another is named there, not written out again. */
function written(named: Surface['named']): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const { schemas } = z.toJSONSchema(registry, { io: 'input', target: 'draft-2020-12', uri });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutIds(schema)]));
}

function withoutIds(schema: Json): Json {
  const { $schema: _schema, $id: _id, ...plain } = schema;
  return plain;
}
