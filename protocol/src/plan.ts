import { z } from 'zod';
import { Probation } from './desired.js';
import { Duration } from './duration.js';
import { GroupName, ReleaseName, SlotName } from './ids.js';

const fraction = z.number().min(0).max(1);
const stageName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const stageTimes = { soak: Duration.default(600), deadline: Duration.default(7200) };

/** Who comes next: so many devices, so many percent of all targeted (cumulative), or those that a selector names. */
export const PlanStage = z.union([
  z.strictObject({ name: stageName, count: z.int().min(1), ...stageTimes }),
  z.strictObject({ name: stageName, percent: z.number().gt(0).max(100), ...stageTimes }),
  z.strictObject({ name: stageName, devices: z.string().min(1).max(1000), ...stageTimes }),
]);
export type PlanStage = z.infer<typeof PlanStage>;

/** Mean compute CPU time against the incumbent's on the same device, or a plain limit in milliseconds. */
export const ComputeGate = z
  .strictObject({
    metric: z.literal('compute.mean'),
    ratioToIncumbent: z.number().gt(0).optional(),
    maxMs: z.number().gt(0).optional(),
    minInferences: z.int().min(1).default(500),
  })
  .refine(
    (gate) => (gate.ratioToIncumbent === undefined) !== (gate.maxMs === undefined),
    'needs exactly one of ratioToIncumbent and maxMs',
  );
/** Share of failed inferences. */
export const ErrorsGate = z.strictObject({
  metric: z.literal('errors'),
  max: fraction,
  minInferences: z.int().min(1).default(500),
});
export const PlanGate = z.union([ComputeGate, ErrorsGate]);
export type PlanGate = z.infer<typeof PlanGate>;

export const PlanSuccess = z.strictObject({
  /** Of the decided devices, the share that must have committed. */
  committed: fraction.default(0.98),
  /** Of the eligible devices, the share that must have decided. */
  coverage: fraction.default(0.9),
  minDecided: z.int().min(1).default(1),
  /** Of the eligible devices, the share that may be left for later because they are offline. */
  maxDeferred: fraction.default(0.1),
  /** An offered device that stays silent this long is timed out. */
  deviceDeadline: Duration.default(1800),
});

/** A rollout as people write it (YAML or JSON): an unknown key is an error. */
export const RolloutPlan = z
  .strictObject({
    apiVersion: z.literal('flotilla/v1').default('flotilla/v1'),
    kind: z.literal('Rollout').default('Rollout'),
    name: z.string().min(1).max(128),
    release: ReleaseName,
    slot: SlotName,
    /** A selector over labels and reported facts; `*` for all. */
    target: z.string().min(1).max(1000).optional(),
    group: GroupName.optional(),
    stages: z.array(PlanStage).min(1).max(32),
    gates: z.array(PlanGate).min(1, 'a rollout without a gate would advance on hope').max(16),
    success: PlanSuccess.prefault({}),
    probation: Probation.prefault({}),
    onBreach: z.enum(['pause', 'roll-back']).default('roll-back'),
  })
  .refine((plan) => (plan.target === undefined) !== (plan.group === undefined), 'needs exactly one of target and group')
  .meta({ id: 'RolloutPlan' });
export type RolloutPlan = z.infer<typeof RolloutPlan>;
/** The same before defaults and durations are filled in. */
export type RolloutPlanInput = z.input<typeof RolloutPlan>;
