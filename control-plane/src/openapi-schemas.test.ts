import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SchemaComponents } from './openapi-schemas.js';

const Limits = z.object({ count: z.int().default(3) }).meta({ id: 'TestLimits' });
const Plan = z.object({ limits: Limits.prefault({}) }).meta({ id: 'TestPlan' });
const Name = z.object({ name: z.string() }).meta({ id: 'TestName' });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

describe('schema components', () => {
  it('name what has an id, and refer to it', () => {
    const components = new SchemaComponents();
    expect(components.add(Name, 'output')).toEqual(ref('TestName'));
    expect(components.add(z.object({ items: z.array(Name) }), 'output')).toMatchObject({
      properties: { items: { items: ref('TestName') } },
    });
    expect(Object.keys(components.sorted())).toEqual(['TestName']);
    expect(components.sorted()['TestName']).not.toHaveProperty('id');
  });

  it('leave a plain schema where it is', () => {
    expect(new SchemaComponents().add(z.string().max(3), 'input')).toEqual({ type: 'string', maxLength: 3 });
  });

  it.each([[['output', 'input'] as const], [['input', 'output'] as const]])(
    'tell what is sent from what comes back, in whichever order they come (%j)',
    (order) => {
      const components = new SchemaComponents();
      for (const side of order) components.add(Plan, side);
      components.add(Name, 'input');
      expect(Object.keys(components.sorted())).toEqual([
        'TestLimits',
        'TestLimitsInput',
        'TestName',
        'TestPlan',
        'TestPlanInput',
      ]);
      expect(components.sorted()).toMatchObject({
        TestLimits: { required: ['count'] },
        TestPlan: { properties: { limits: ref('TestLimits') } },
        TestPlanInput: { properties: { limits: ref('TestLimitsInput') } },
      });
      expect(components.sorted()['TestLimitsInput']).not.toHaveProperty('required');
    },
  );

  it('call a schema by another name where only one that it refers to differs', () => {
    const components = new SchemaComponents();
    const Holder = z.object({ limits: Limits }).meta({ id: 'TestHolder' });
    expect(components.add(Holder, 'input')).toEqual(ref('TestHolderInput'));
    expect(components.add(Holder, 'output')).toEqual(ref('TestHolder'));
    expect(components.sorted()).toMatchObject({
      TestHolder: { properties: { limits: ref('TestLimits') } },
      TestHolderInput: { properties: { limits: ref('TestLimitsInput') } },
    });
  });
});
