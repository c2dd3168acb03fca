import { describe, expect, it } from 'vitest';
import { presets, RolloutPlan, RolloutPlanFile } from './index.js';

const named = { name: 'n', release: 'product-classifier@1.2.0', slot: 'inspection', target: '*' };

describe('a plan with a preset', () => {
  it.each(Object.keys(presets))('%s is complete, and is what it was when it is read again', (preset) => {
    const plan = RolloutPlanFile.parse({ ...named, preset });
    expect(plan.preset).toBe(preset);
    expect(plan.gates.length).toBeGreaterThan(0);
    expect(RolloutPlan.parse(plan)).toEqual(plan);
    expect(plan.gates.some((gate) => /^(drift|shadow)/.test(gate.metric))).toBe(false);
  });
  it('says what it says itself', () => {
    const plan = RolloutPlanFile.parse({
      ...named,
      preset: 'standard',
      stages: [{ name: 'all', percent: 100 }],
      onBreach: 'pause',
    });
    expect(plan).toMatchObject({
      stages: [{ name: 'all' }],
      onBreach: 'pause',
      gates: [{ ratioToIncumbent: 1.2 }, { max: 0.005 }],
    });
  });
});

describe('a plan without a preset', () => {
  it('has to say its stages and gates', () => {
    const { error } = RolloutPlanFile.safeParse(named);
    expect(error!.issues.map((issue) => issue.path.join('.'))).toEqual(['stages', 'gates']);
  });
});
