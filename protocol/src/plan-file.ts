import { z } from 'zod';
import { PlanEvidence, PlanPace, PlanSuccess, RolloutPlan } from './plan.js';
import { presets } from './presets.js';

const { shape } = RolloutPlan;

/** A plan as people write it (YAML or JSON): with a preset, what that says may be left out. */
export const RolloutPlanFile = z
  .strictObject({
    ...shape,
    stages: shape.stages.optional(),
    gates: shape.gates.optional(),
    evidence: PlanEvidence.optional(),
    success: PlanSuccess.optional(),
    pace: PlanPace.optional(),
    onBreach: shape.onBreach.unwrap().optional(),
  })
  .transform((written) => {
    const said = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined));
    return { ...(written.preset ? presets[written.preset] : {}), ...said };
  })
  .pipe(RolloutPlan)
  .meta({ id: 'RolloutPlanFile' });
