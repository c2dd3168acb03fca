import { z } from 'zod';
import { Probation } from './desired.js';
import { DeploymentId, DeviceId, Digest, GroupName, OperatorName, ReleaseName, RolloutId, SlotName } from './ids.js';
import { CheckView } from './plan-check.js';
import { RolloutPlan } from './plan.js';
import { RolloutSummary } from './rollout-summary.js';
import { FailureClass, UpdateState } from './update.js';

/** Views and requests of the operator API `/api/v1`, for the control plane, the command line and the page. Times are ISO 8601. */
const time = z.iso.datetime();

export const DeviceSlotView = z
  .object({
    slot: SlotName,
    assignment: z.object({ deployment: DeploymentId, release: ReleaseName, digest: Digest, owner: z.string() }).optional(),
    reported: z
      .object({
        deployment: DeploymentId.optional(),
        digest: Digest.optional(),
        /** Name of the reported digest, where the control plane knows it. */
        release: ReleaseName.optional(),
        committed: Digest.optional(),
        state: UpdateState,
        failure: FailureClass.optional(),
        reason: z.string().optional(),
        at: time,
      })
      .optional(),
  })
  .meta({ id: 'DeviceSlotView' });
export type DeviceSlotView = z.infer<typeof DeviceSlotView>;

export const DeviceView = z
  .object({
    id: DeviceId,
    /** `pending`: enrolled, and told nothing before somebody approves it. `revoked`: removed. */
    status: z.enum(['active', 'pending', 'revoked']),
    online: z.boolean(),
    lastSeen: time.optional(),
    profile: z.string(),
    hardwareClass: z.string(),
    agent: z.string().optional(),
    labels: z.record(z.string(), z.string()),
    notes: z.array(z.string()),
    epoch: z.int(),
    reportedEpoch: z.int().optional(),
    enrolledAt: time,
    groups: z.array(GroupName),
    /** Rollouts pass it by, and its silence is no alarm. */
    maintenance: z.object({ reason: z.string(), since: time, until: time.optional(), actor: z.string() }).optional(),
    slots: z.array(DeviceSlotView),
  })
  .meta({ id: 'DeviceView' });
export type DeviceView = z.infer<typeof DeviceView>;

export const MaintenanceRequest = z
  .object({ reason: z.string().trim().min(3).max(500), until: time.optional() })
  .meta({ id: 'MaintenanceRequest' });
export type MaintenanceRequest = z.infer<typeof MaintenanceRequest>;

export const GroupView = z
  .object({
    name: GroupName,
    /** Changes with the selector and the list, not with who matches. */
    revision: z.uuid(),
    selector: z.string().optional(),
    size: z.int(),
    /** The first hundred by id; `GET /devices?selector=group=NAME` has them all. */
    members: z.array(DeviceId),
    /** What the group depends on that devices report themselves, also by way of groups that it names. Only one with none may ever grant rights. */
    facts: z.array(z.string()),
  })
  .meta({ id: 'GroupView' });
export type GroupView = z.infer<typeof GroupView>;
const GroupSelector = z.string().min(1).max(1000);
const GroupDevices = z.array(DeviceId).max(10_000);
export const GroupCreate = z
  .union([z.object({ name: GroupName, selector: GroupSelector }), z.object({ name: GroupName, devices: GroupDevices })])
  .meta({ id: 'GroupCreate' });
export type GroupCreate = z.infer<typeof GroupCreate>;
/** Another selector, another list, or a list with some more or fewer. */
export const GroupChange = z
  .union([
    z.strictObject({ selector: GroupSelector }),
    z.strictObject({ devices: GroupDevices }),
    z.strictObject({ add: GroupDevices.default([]), remove: GroupDevices.default([]) }),
  ])
  .meta({ id: 'GroupChange' });
export type GroupChange = z.infer<typeof GroupChange>;
/** `group`: an existing one, to which it is compared. */
export const GroupPreviewRequest = z
  .object({ selector: GroupSelector, group: GroupName.optional() })
  .meta({ id: 'GroupPreviewRequest' });
export type GroupPreviewRequest = z.infer<typeof GroupPreviewRequest>;
const Some = z.object({ size: z.int(), members: z.array(DeviceId) });
/** Who would be in; of an existing group also who would join and who would leave. Of each the first hundred by id. */
export const GroupPreview = Some.extend({
  facts: z.array(z.string()),
  joining: Some.optional(),
  leaving: Some.optional(),
}).meta({ id: 'GroupPreview' });
export type GroupPreview = z.infer<typeof GroupPreview>;

export const ReleaseView = z
  .object({
    model: z.string(),
    version: z.string(),
    name: ReleaseName,
    digest: Digest,
    summary: z.string().optional(),
    variants: z.array(z.object({ file: z.string(), precision: z.string(), providers: z.array(z.string()), size: z.int() })),
    sizeBytes: z.int(),
    pushedAt: time,
  })
  .meta({ id: 'ReleaseView' });
export type ReleaseView = z.infer<typeof ReleaseView>;

const Verdict = z.enum(['pass', 'breach', 'insufficient', 'not-applicable']);
const Bet = z.object({
  /** What somebody would have who had begun with 1 and bet on it, window by window. */
  capital: z.number(),
  needed: z.number(),
});
/** A gate on one hardware class: how much has been won by betting against the release, and for it. */
export const StratumVerdict = z
  .object({ hardwareClass: z.string(), verdict: Verdict, windows: z.int(), inferences: z.int(), breach: Bet, pass: Bet })
  .meta({ id: 'StratumVerdict' });
export type StratumVerdict = z.infer<typeof StratumVerdict>;

/** One gate's verdict with the figures it rests on. */
export const GateVerdict = z
  .object({
    metric: z.string(),
    verdict: Verdict,
    /** The figures in words ('mean compute 41 ms against 9 ms on the same device, ratio 4.6 over limit 1.5, 128 inferences'). */
    evidence: z.string(),
    inferences: z.int(),
    value: z.number().optional(),
    limit: z.number().optional(),
    /** Shown only: it decides nothing. */
    dryRun: z.literal(true).optional(),
    strata: z.array(StratumVerdict),
  })
  .meta({ id: 'GateVerdict' });
export type GateVerdict = z.infer<typeof GateVerdict>;

export const StageCounts = z.object({
  /** On the release before the rollout came: outside of all other counts. */
  already: z.int(),
  /** Not offered yet. */
  waiting: z.int(),
  open: z.int(),
  committed: z.int(),
  unproven: z.int(),
  failedArtifact: z.int(),
  failedPlace: z.int(),
  timedOut: z.int(),
  rejected: z.int(),
  deferred: z.int(),
  rolledBack: z.int(),
  /** Taken over by a rollout of higher priority: outside of all other counts. */
  superseded: z.int().optional(),
});
export type StageCounts = z.infer<typeof StageCounts>;

export const StageView = z
  .object({
    name: z.string(),
    phase: z.enum(['pending', 'activating', 'soaking', 'analysing', 'passed', 'failed', 'inconclusive']),
    counts: StageCounts,
    gates: z.array(GateVerdict),
    /** What checks outside said of it last. */
    checks: z.array(CheckView).optional(),
  })
  .meta({ id: 'StageView' });
export type StageView = z.infer<typeof StageView>;

export const RolloutPhase = z.enum([
  'draft',
  'awaiting-approval',
  'rejected',
  'scheduled',
  'running',
  'paused',
  'rolling-back',
  'rolled-back',
  'rollback-incomplete',
  'completed',
  'cancelled',
  'superseded',
  'killed',
]);
export type RolloutPhase = z.infer<typeof RolloutPhase>;
export const PauseReason = z.enum(['manual', 'breach', 'inconclusive', 'window', 'metrics', 'state-regressed', 'killed']);
export type PauseReason = z.infer<typeof PauseReason>;

export const RolloutView = z
  .object({
    id: RolloutId,
    name: z.string(),
    release: ReleaseName,
    digest: Digest,
    slot: SlotName,
    phase: RolloutPhase,
    reason: PauseReason.optional(),
    /** Why it is where it is, with evidence. */
    detail: z.string().optional(),
    stage: z.int().optional(),
    stages: z.array(StageView),
    /** Of one that is over, where one is asked for rather than all. */
    summary: RolloutSummary.optional(),
    plan: RolloutPlan,
    /** What an approval has to name: the plan as it is. */
    planHash: Digest,
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'RolloutView' });
export type RolloutView = z.infer<typeof RolloutView>;

/** What would come of a plan if it were created now. */
export const RolloutPreview = z
  .object({
    planHash: Digest,
    /** Why it would be refused; empty: it would not. */
    problems: z.array(z.string()),
    stages: z.array(
      z.object({
        name: z.string(),
        devices: z.int(),
        offline: z.int(),
        hardwareClasses: z.record(z.string(), z.int()),
        /** Some of them, by id. */
        first: z.array(DeviceId),
      }),
    ),
    /** Devices that will not be offered it: they could not run it, or are pinned, or it is blocked there. */
    rejected: z.array(z.object({ device: DeviceId, reason: z.string() })),
    /** Devices that the plan targets and no stage takes. */
    leftOut: z.int(),
    /** All soaks, seconds: without activating and waiting for evidence. */
    leastS: z.number(),
    /** To download, over all devices: with the largest variant and nothing there yet. */
    mostBytes: z.int(),
    /** Gates that are likely to get no evidence, and where: the stage would end inconclusive. Asked of the devices named under `first`. */
    unheard: z.array(z.string()).default([]),
    /** Windows and blackouts that hold for it, and when they next let devices be offered it and begin to run it; null: never. */
    calendars: z
      .array(
        z.object({
          /** Absent: the plan's own. */
          group: GroupName.optional(),
          devices: z.int(),
          offersFrom: z.iso.datetime().nullable(),
          activatesFrom: z.iso.datetime().nullable(),
          activatesUntil: z.iso.datetime().nullable(),
        }),
      )
      .default([]),
  })
  .meta({ id: 'RolloutPreview' });
export type RolloutPreview = z.infer<typeof RolloutPreview>;

export const RolloutCommand = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('pause') }),
    z.object({ type: z.literal('resume'), accepting: z.string().min(3).max(500).optional() }),
    z.object({ type: z.literal('cancel') }),
    /** `to`: in place of what the plan says, or of what each device ran before. */
    z.object({ type: z.literal('roll-back'), to: ReleaseName.optional() }),
    /** Devices that did not get the release, for whatever reason, are offered it again. */
    z.object({ type: z.literal('retry') }),
    z.object({
      type: z.enum(['approve', 'reject', 'withdraw-approval']),
      planHash: Digest,
      comment: z.string().max(500).optional(),
    }),
  ])
  .meta({ id: 'RolloutCommand' });
export type RolloutCommand = z.infer<typeof RolloutCommand>;

/** Manual assignment of one release to devices: no stages, no gates, the operator's own decision. */
export const AssignmentRequest = z
  .object({
    release: ReleaseName,
    slot: SlotName,
    devices: z.array(DeviceId).min(1).max(10_000).optional(),
    target: z.string().max(1000).optional(),
    probation: Probation.prefault({}),
  })
  .refine((a) => (a.devices === undefined) !== (a.target === undefined), 'needs exactly one of devices and target')
  .meta({ id: 'AssignmentRequest' });
export type AssignmentRequest = z.infer<typeof AssignmentRequest>;

export const TokenCreate = z
  .object({
    /** The device's id; made up where absent. */
    name: DeviceId.optional(),
    labels: z.record(z.string().max(64), z.string().max(128)).default({}),
    expiresInS: z
      .int()
      .min(1)
      .max(30 * 86_400)
      .default(86_400),
    /** `required`: the device is listed as pending, and is told nothing before somebody approves it. */
    approval: z.enum(['none', 'required']).default('none'),
  })
  .meta({ id: 'TokenCreate' });
export type TokenCreate = z.infer<typeof TokenCreate>;
export const TokenView = z.object({ id: z.uuid(), token: z.string(), expiresAt: time }).meta({ id: 'TokenView' });
export type TokenView = z.infer<typeof TokenView>;

/** `operator`: all but operators and backups. `approver`: look, and approve or reject rollouts. */
export const OperatorRole = z.enum(['operator', 'approver']);
export type OperatorRole = z.infer<typeof OperatorRole>;
export const OperatorCreate = z
  .object({ name: OperatorName, role: OperatorRole.default('operator') })
  .meta({ id: 'OperatorCreate' });
export type OperatorCreate = z.infer<typeof OperatorCreate>;
export const OperatorView = z.object({ name: z.string(), role: OperatorRole, createdAt: time }).meta({ id: 'OperatorView' });
export type OperatorView = z.infer<typeof OperatorView>;
/** The token is shown this once. */
export const OperatorCreated = OperatorView.extend({ token: z.string() }).meta({ id: 'OperatorCreated' });
export type OperatorCreated = z.infer<typeof OperatorCreated>;

export const EventView = z
  .object({
    id: z.int(),
    at: time,
    kind: z.string(),
    actor: z.string(),
    device: z.string().optional(),
    rollout: z.string().optional(),
    message: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'EventView' });
export type EventView = z.infer<typeof EventView>;

export const StatusView = z
  .object({
    version: z.string(),
    startedAt: time,
    database: z.enum(['embedded', 'external']),
    broker: z.object({ kind: z.enum(['embedded', 'external']), connected: z.boolean() }),
    leader: z.boolean(),
    devices: z.object({ total: z.int(), online: z.int(), maintenance: z.int(), pending: z.int() }),
    releases: z.int(),
    rollouts: z.object({ running: z.int(), paused: z.int() }),
    /** In force. */
    blocks: z.int(),
    counters: z.record(z.string(), z.int()),
  })
  .meta({ id: 'StatusView' });
export type StatusView = z.infer<typeof StatusView>;
/** Lists: newest first, `next` is the cursor for the following page. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().optional() });
