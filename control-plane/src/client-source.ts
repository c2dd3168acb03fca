import * as protocol from '@flotilla/protocol';
import type { OpenAPIObject } from '@nestjs/swagger';
import { componentRef } from './openapi-schemas.js';

type Schema = { $ref?: string; type?: string; enum?: readonly string[]; items?: Schema; properties?: Record<string, Schema> };
type Content = Record<string, { schema?: Schema }>;
type Parameter = { name: string; in: string; required?: boolean; schema?: Schema };
type Operation = {
  operationId?: string;
  parameters?: readonly Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, { content?: Content; headers?: object }>;
};
type Route = { method: string; path: string; operation: Operation };

const json = 'application/json';
/** Files are sent from disk: ApiClient does that itself. */
const left = 'application/octet-stream';

/**
 * The TypeScript client of what the description describes: a function an operation, which checks at compile time what it is given, and
 * at run time, by the schema that the description was made from, what comes back.
 */
export function clientSource(document: OpenAPIObject): string {
  const names = new Set<string>();
  const groups = Object.entries(Object.groupBy(routesOf(document), ({ operation }) => controllerOf(operation)));
  const fields = groups
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, routes]) => {
      const functions = routes!.flatMap((route) => functionsOf(route, names));
      return functions.length === 0 ? '' : `  readonly ${name} = {\n${functions.join('\n')}\n  };\n`;
    });
  return [
    '// Written from openapi.json by write-openapi.js; not to be edited.',
    'import {',
    ...[...names].toSorted().map((name) => `  ${name},`),
    "} from '@flotilla/protocol';",
    "import type { z } from 'zod';",
    "import { ApiClient, at } from './client.js';",
    '',
    '/** The operator API: a function for each operation. */',
    'export class FlotillaClient extends ApiClient {',
    fields.filter(Boolean).join('\n').trimEnd(),
    '}\n',
  ].join('\n');
}

const routesOf = (document: OpenAPIObject): Route[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation: operation as Operation })),
  );

const [controllerOf, functionOf] = [0, 1].map((i) => ({ operationId = '' }: Operation) => {
  const name = operationId.split('.')[i]!;
  return name.charAt(0).toLowerCase() + name.slice(1);
}) as [(operation: Operation) => string, (operation: Operation) => string];

function functionsOf(route: Route, names: Set<string>): string[] {
  const { operation, method } = route;
  const answer = answerOf(operation);
  const body = operation.requestBody?.content;
  if (method === 'head' || body?.[left]) return [];
  const call = { ...route, path: addressOf(route), name: functionOf(operation), args: argumentsOf(route, names) };
  if (answer?.type === 'text/event-stream') return [streaming(call)];
  if (!answer) return [plain(call, 'void', '')];
  if (answer.type !== json) return [download(call)];
  const item = itemOf(answer.schema);
  if (item !== undefined) return [listing(call, known(item, names))];
  const view = known(nameOf(answer.schema, route), names);
  const tagged = method === 'get' && Object.values(operation.responses).some(({ headers }) => headers && 'ETag' in headers);
  return [plain(call, view, `, ${view}`), ...(tagged ? [withTag(call, view)] : [])];
}

type Arguments = { signature: string[]; query: boolean; body: boolean; ifMatch: boolean };
type Call = Route & { name: string; args: Arguments };

function argumentsOf({ path, operation }: Route, names: Set<string>): Arguments {
  const body = operation.requestBody?.content[json]?.schema;
  const parameters = operation.parameters ?? [];
  const paged = parameters.some(({ name }) => name === 'cursor');
  const query = parameters.filter(({ in: place, name }) => place === 'query' && !(paged && /^(limit|cursor)$/.test(name)));
  const ifMatch = parameters.some(({ name }) => name === 'If-Match');
  const fields = query.map(
    ({ name, required, schema }) => `${name}${required ? '' : '?'}: ${typeOf(schema)}${required ? '' : ' | undefined'}`,
  );
  const signature = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `${name}: string`),
    ...(body ? [`body: z.input<typeof ${known(body.$ref?.replace(componentRef(''), '') ?? '', names)}>`] : []),
    ...(query.length > 0 ? [`query: { ${fields.join('; ')} }${query.some(({ required }) => required) ? '' : ' = {}'}`] : []),
  ];
  return { signature, query: query.length > 0, body: body !== undefined, ifMatch };
}

const addressOf = ({ path }: Route) => `at\`${path.replaceAll('{', '${')}\``;
const place = ({ path, args }: Call) => (args.query ? `this.address(${path}, query)` : path);

function plain(call: Call, view: string, schema: string): string {
  const { name, method, args } = call;
  const signature = [...args.signature, ...(args.ifMatch ? ['ifMatch?: string'] : [])];
  const body = args.body ? ', body' : method === 'post' ? ', {}' : '';
  const tag = args.ifMatch ? `${method === 'delete' && schema === '' ? ', undefined' : ''}, ifMatch` : '';
  return `    ${name}: (${signature.join(', ')}): Promise<${view}> => this.${method}(${place(call)}${body}${schema}${tag}),`;
}

const withTag = (call: Call, view: string) =>
  `    ${call.name}Tagged: (${call.args.signature.join(', ')}) => this.getTagged(${place(call)}, ${view}),`;
/** Page by page, until it is over. */
const listing = (call: Call, item: string) =>
  `    ${call.name}: (${[...call.args.signature, 'most?: number'].join(', ')}): Promise<${item}[]> => this.list(${place(call)}, ${item}, most),`;
/** It may be large. */
const download = (call: Call) => `    ${call.name}: (${call.args.signature.join(', ')}) => this.bytes(${place(call)}),`;
const streaming = (call: Call) =>
  `    ${call.name}: (${call.args.signature.join(', ')}, headers: Record<string, string> = {}, signal?: AbortSignal) => this.stream(${place(call)}, headers, signal),`;

function answerOf({ responses }: Operation): { type: string; schema: Schema | undefined } | undefined {
  const [, success] = Object.entries(responses).find(([status]) => status.startsWith('2')) ?? [];
  const [first] = Object.entries(success?.content ?? {});
  return first && { type: first[0], schema: first[1].schema };
}

/** Of a page, what it lists. */
const itemOf = (schema: Schema | undefined) =>
  schema?.properties?.['next'] && schema.properties['items']?.items?.$ref?.replace(componentRef(''), '');

function nameOf(schema: Schema | undefined, { method, path }: Route): string {
  if (schema?.$ref === undefined) throw new Error(`${method} ${path}: its answer has no name; give its schema an id`);
  return schema.$ref.replace(componentRef(''), '');
}

/** The name under which the protocol has it: what is sent is described as `…Input` where what comes back differs. */
function known(component: string, names: Set<string>): string {
  const name = [component, component.replace(/Input$/, '')].find((each) => each in protocol);
  if (name === undefined) throw new Error(`${component} is not in @flotilla/protocol: what the API speaks belongs there`);
  names.add(name);
  return name;
}

function typeOf(schema: Schema | undefined): string {
  if (schema?.enum) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema?.type === 'integer' || schema?.type === 'number') return 'number';
  return schema?.type === 'boolean' ? 'boolean' : 'string';
}
