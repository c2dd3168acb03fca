import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixtures } from './fixtures.js';
import { jsonSchemas, published, schemaFolder } from './json-schema.js';

const schemaOf = (name: string) => published[name as keyof typeof published];

describe('the wire', () => {
  it.each(fixtures('good'))('accepts $name', ({ schema, message }) =>
    expect(schemaOf(schema).safeParse(message)).toMatchObject({ success: true }),
  );
  it.each(fixtures('bad'))('refuses $name at $at', ({ schema, message, at }) => {
    const result = schemaOf(schema).safeParse(message);
    expect(result.error?.issues.map((issue) => issue.path.join('.'))).toContain(at);
  });
  it('has a good fixture for every published message that a device or server sends', () => {
    const files = new Set(['ConfigurationFile', 'EnrolResponse', 'GoldenSet', 'ReleaseFile', 'RolloutPlan']);
    const covered = new Set(fixtures('good').map((f) => f.schema));
    expect(Object.keys(published).filter((name) => !covered.has(name) && !files.has(name))).toEqual([]);
  });
  it('drops fields that it does not know', () => {
    const [fixture] = fixtures('good').filter((f) => f.name === 'Birth.unknown-field');
    expect(schemaOf('Birth').parse(fixture!.message)).not.toHaveProperty('moon');
  });
  it('is published as JSON Schema, in step (npm run schema -w protocol)', () => {
    expect(readdirSync(schemaFolder).toSorted()).toEqual(Object.keys(jsonSchemas()).toSorted());
    for (const [file, content] of Object.entries(jsonSchemas()))
      expect(readFileSync(new URL(file, schemaFolder), 'utf8')).toBe(content);
  });
});
