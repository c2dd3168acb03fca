import { z } from 'zod';
import { Bytes } from './bytes.js';
import { Blackout, Windows } from './calendar.js';
import { Probation } from './desired.js';
import { Duration } from './duration.js';
import { PlanGate } from './gate.js';
import { PlanChecks } from './plan-check.js';
import { GroupName, ReleaseName, SlotName } from './ids.js';

const fraction = z.number().min(0).max(1);
/** `2026-12-01T22:00:00+01:00`, or milliseconds since 1970; parsed to these. */
const Instant = z.union([z.int().min(0), z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))]);
const labelName = z.string().min(1).max(64);
const stageName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const stageTimes = {
  soak: Duration.default(600),
  deadline: Duration.default(7200),
  /** In place of the plan's, for this stage. */
  gates: z.array(PlanGate).min(1).max(16).optional(),
};
/** Who comes next: so many devices, so many percent of all targeted (cumulative), those that a selector names, or so many times those before. */
export const PlanStage = z.union([
  z.strictObject({ name: stageName, count: z.int().min(1), ...stageTimes }),
  z.strictObject({ name: stageName, percent: z.number().gt(0).max(100), ...stageTimes }),
  z.strictObject({ name: stageName, devices: z.string().min(1).max(1000), ...stageTimes }),
  z.strictObject({ name: stageName, growth: z.number().gt(1).max(1000), ...stageTimes }),
]);
export type PlanStage = z.infer<typeof PlanStage>;

/** How sure a verdict must be. `falseAlarm` is shared out among all gates, hardware classes and stages of the rollout. */
export const PlanEvidence = z.strictObject({
  /** Chance that a release as good as the incumbent is stopped, over the whole rollout. */
  falseAlarm: z.number().gt(0).max(0.5).default(0.01),
  /** Chance that a stage passes although a gate's margin is exceeded. */
  pass: z.number().gt(0).max(0.5).default(0.05),
  /** How long a stage that has soaked waits for its evidence before it is inconclusive. */
  maxWait: Duration.default(86_400),
  /** Windows of the incumbent that a device needs to be compared with itself, and inferences for its wall time. */
  baselineWindows: z.int().min(1).max(10_000).default(20),
  baselineInferences: z.int().min(1).max(1_000_000).default(500),
});
export type PlanEvidence = z.infer<typeof PlanEvidence>;

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
  /** Of the eligible devices, the share that may fail for reasons of the place; more pauses, and never rolls back. */
  maxPlaceFailures: fraction.default(0.2),
});

/** Whose word it takes: so many people other than the one who made the plan, before it starts and before the stages named. */
export const PlanApproval = z.strictObject({
  count: z.int().min(1).max(10).default(1),
  /** Only of people with this role. */
  from: z.enum(['operator', 'approver']).optional(),
  start: z.boolean().default(true),
  stages: z.array(stageName).max(32).default([]),
});

/** How fast devices are offered a stage; nothing said: all of it at once. */
export const PlanPace = z.strictObject({
  /** Devices that may be under way at a time. */
  maxInFlight: z.int().min(1).optional(),
  /** Devices offered a minute; `growth`: times so many after each minute. */
  perMinute: z.number().gt(0).optional(),
  growth: z.number().min(1).max(100).default(1),
  /** Of the devices with one value of a label, so many, or such a share, may be under way at a time. */
  maxUnavailable: z
    .union([
      z.strictObject({ by: labelName, count: z.int().min(1) }),
      z.strictObject({ by: labelName, percent: z.number().gt(0).max(100) }),
    ])
    .optional(),
  /** Bytes that may be offered for download in any span of this length. */
  bandwidth: z.strictObject({ bytes: Bytes, per: Duration.refine((s) => s >= 1, 'must be at least 1s') }).optional(),
});
export type PlanPace = z.infer<typeof PlanPace>;

/** How devices are taken back; nothing said: all at once, each to what it ran before. */
export const PlanRollBack = z.strictObject({
  /** For all of them, in place of what each ran before. */
  to: ReleaseName.optional(),
  /** Devices that may be on their way back at a time. */
  maxInFlight: z.int().min(1).optional(),
  /** Devices told a minute; `growth`: times so many after each minute. */
  perMinute: z.number().gt(0).optional(),
  growth: z.number().min(1).max(100).default(1),
  /** More devices than this that fail on the release they go back to, and no other is told: the cure may be the disease. */
  maxFailures: z.int().min(0).optional(),
});
export type PlanRollBack = z.infer<typeof PlanRollBack>;

const shape = {
  apiVersion: z.literal('flotilla/v1').default('flotilla/v1'),
  kind: z.literal('Rollout').default('Rollout'),
  /** Fills in what the plan leaves out. */
  preset: z.enum(['cautious', 'standard', 'emergency']).optional(),
  name: z.string().min(1).max(128),
  release: ReleaseName,
  slot: SlotName,
  /** A selector over labels and reported facts; `*` for all. */
  target: z.string().min(1).max(1000).optional(),
  group: GroupName.optional(),
  stages: z.array(PlanStage).min(1).max(32),
  gates: z.array(PlanGate).min(1, 'a rollout without a gate would advance on hope').max(16),
  /** Others who are asked, besides the gates. */
  checks: PlanChecks.optional(),
  evidence: PlanEvidence.prefault({}),
  success: PlanSuccess.prefault({}),
  pace: PlanPace.prefault({}),
  probation: Probation.prefault({}),
  approval: PlanApproval.optional(),
  /** Not before. */
  startAt: Instant.optional(),
  /** Names of rollouts that have to be complete first: of each name, the newest counts. */
  after: z.array(z.string().min(1).max(128)).min(1).max(16).optional(),
  /** Takes devices over from rollouts that have a lower one, at the next offer; 0 where it is not said. */
  priority: z.int().min(0).max(1000).optional(),
  /** When devices may be offered the release and when they may begin to run it, besides what their groups say. */
  windows: Windows.optional(),
  blackouts: z.array(Blackout).max(100).optional(),
  /** `override`: what the devices' groups say of windows and blackouts does not hold for this rollout. */
  groupCalendars: z.enum(['respect', 'override']).optional(),
  /** Devices under way at a pause, or when a window closes: they finish (the default), or hold before activation. */
  inFlight: z.enum(['finish', 'hold']).optional(),
  /** Ends what other rollouts still do to these devices in this slot, instead of being refused. */
  supersede: z.boolean().default(false),
  /** Goes on after it is complete: devices that come to belong to its target later are offered the release, too. */
  continuous: z.boolean().optional(),
  onBreach: z.enum(['pause', 'roll-back']).default('roll-back'),
  rollBack: PlanRollBack.optional(),
};

/** A rollout's plan, complete: an unknown key is an error. */
export const RolloutPlan = z
  .strictObject(shape)
  .refine((plan) => (plan.target === undefined) !== (plan.group === undefined), 'needs exactly one of target and group')
  .meta({ id: 'RolloutPlan' });
export type RolloutPlan = z.infer<typeof RolloutPlan>;
/** The same before defaults and durations are filled in. */
export type RolloutPlanInput = z.input<typeof RolloutPlan>;
