import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Batch, EventRecord, quickCheck, TelemetryRecord } from './index.js';

const folder = new URL('../fixtures/', import.meta.url);
const schemas = { Batch, EventRecord, TelemetryRecord };
const fixtures = (['good', 'bad'] as const).flatMap((kind) =>
  readdirSync(new URL(`${kind}/`, folder)).flatMap((file) => {
    const schema = schemas[file.split('.')[0] as keyof typeof schemas];
    return schema ? [{ kind, file, schema, value: read(`${kind}/${file}`) }] : [];
  }),
);
function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
}

/** The promise: where it says yes, the schema gives back the same. */
function agrees(schema: z.ZodType, value: unknown): void {
  if (quickCheck(schema)(value)) expect(schema.parse(value)).toStrictEqual(value);
}

describe('a quick check', () => {
  it.each(fixtures.filter(({ kind }) => kind === 'good'))('is sure of $file', ({ schema, value }) => {
    expect(quickCheck(schema)(schema.parse(value))).toBe(true);
  });
  it.each(fixtures.filter(({ kind }) => kind === 'bad'))('is not sure of $file', ({ schema, value }) => {
    expect(quickCheck(schema)(value)).toBe(false);
  });

  it('agrees with the schema whatever part of a record is another', () => {
    const [good] = fixtures.filter(({ file }) => file === 'TelemetryRecord.window-gates.json');
    const record = good!.value as Record<string, unknown>;
    const part = fc.oneof(fc.jsonValue(), fc.double(), fc.string({ maxLength: 300 }), fc.array(fc.integer(), { maxLength: 400 }));
    const key = fc.oneof(fc.constantFrom(...Object.keys(record), '__proto__', 'toString'), fc.string({ maxLength: 8 }));
    fc.assert(
      fc.property(key, part, (changed, value) =>
        agrees(TelemetryRecord, Object.defineProperty({ ...record }, changed, { value, enumerable: true })),
      ),
    );
  });

  it('says no to a field that the schema would drop, in depth', () => {
    const schema = z.object({ a: z.object({ b: z.int() }).optional() });
    expect(quickCheck(schema)({ a: { b: 1 } })).toBe(true);
    expect(quickCheck(schema)({ a: { b: 1, c: 2 } })).toBe(false);
    expect(quickCheck(schema)({})).toBe(true);
  });

  it.each<[string, z.ZodType, unknown]>([
    ['a default', z.object({ a: z.int().default(1) }), { a: 2 }],
    ['a transformation', z.string().trim(), 'x'],
    ['coercion', z.coerce.number(), 1],
    ['a union without discriminator', z.union([z.object({ a: z.int() }), z.object({ a: z.int(), b: z.int() })]), { a: 1, b: 1 }],
    ['other keys let through', z.looseObject({ a: z.int() }), { a: 1, b: 1 }],
    ['a refinement that says more than yes or no', z.string().superRefine(() => undefined), 'x'],
    ['a format of its own', z.url(), 'http://x'],
  ])('is never sure about %s', (_, schema, value) => {
    expect(schema.safeParse(value).success).toBe(true);
    expect(quickCheck(schema)(value)).toBe(false);
  });
});
