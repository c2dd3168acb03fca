import { z } from 'zod';

type JsonSchema = Record<string, unknown>;
type Side = 'input' | 'output';
type Definitions = Map<string, JsonSchema>;

/**
 * JSON Schemas of zod schemas as OpenAPI 3.1 wants them: what has an id becomes a component, named once. Where what is sent differs
 * from what comes back (defaults), what is sent is named `…Input`.
 */
export class SchemaComponents {
  readonly #components: Record<string, JsonSchema> = {};

  /** The schema, with references to the components that it uses. */
  add(schema: z.ZodType, side: Side): JsonSchema {
    const { definitions, root } = read(schema, side);
    const other = read(schema, side === 'input' ? 'output' : 'input').definitions;
    const differing = differingNames(definitions, other);
    const nameOf = (name: string) => (side === 'input' && differing.has(name) ? `${name}Input` : name);
    for (const [name, body] of definitions) this.#components[nameOf(name)] = pointed(body, nameOf);
    return pointed(root, nameOf);
  }

  sorted(): Record<string, JsonSchema> {
    return Object.fromEntries(Object.entries(this.#components).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}

export const componentRef = (name: string) => `#/components/schemas/${name}`;
const localRef = /^#\/\$defs\//;

/** A schema with an id is a definition too, and its own root only refers to it. */
function read(schema: z.ZodType, io: Side): { definitions: Definitions; root: JsonSchema } {
  const {
    $schema: _,
    $defs = {},
    ...json
  } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    // Answers may grow fields: a client must not be told that there are no others.
    override: ({ jsonSchema }) => {
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  const definitions = new Map(Object.entries($defs as Record<string, JsonSchema>).map(([name, body]) => [name, withoutId(body)]));
  const { id } = json;
  if (typeof id !== 'string') return { definitions, root: json };
  return { definitions: definitions.set(id, withoutId(json)), root: { $ref: `#/$defs/${id}` } };
}

const withoutId = (schema: JsonSchema) => Object.fromEntries(Object.entries(schema).filter(([key]) => key !== 'id'));

/** Those that differ between the two sides, and those that refer to such a one. */
function differingNames(definitions: Definitions, other: Definitions): ReadonlySet<string> {
  const text = (body: JsonSchema | undefined) => JSON.stringify(body);
  const differing = new Set([...definitions].flatMap(([name, body]) => (text(body) === text(other.get(name)) ? [] : [name])));
  for (let before = -1; before !== differing.size;) {
    before = differing.size;
    for (const [name, body] of definitions) if (refsOf(body).some((ref) => differing.has(ref))) differing.add(name);
  }
  return differing;
}

function refsOf(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item.replace(localRef, '')] : refsOf(item),
  );
}

function pointed(schema: JsonSchema, nameOf: (name: string) => string): JsonSchema {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        key === '$ref' && typeof item === 'string' ? componentRef(nameOf(item.replace(localRef, ''))) : walk(item),
      ]),
    );
  };
  return walk(schema) as JsonSchema;
}
