import type { DeviceId, FailureClass, RolloutId, RolloutPlan } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';
import { int8 } from '../platform/number-column.js';
import type { Baseline } from '../core/baseline.js';
import type { RolloutState } from '../core/rollout.js';
import type { Sample } from '../core/sample.js';

export interface RolloutRow {
  id: RolloutId;
  name: string;
  digest: string;
  slot: string;
  plan: RolloutPlan;
  /** Membership is hash(salt, device). */
  salt: string;
  /** How many tests could raise a false alarm; fixed when the devices were placed. */
  alarms: number;
  /** That a device downloads at most; fixed when the devices were placed. */
  bytes: number;
  state: RolloutState;
  /** Copy of state.phase, for lists and their index. */
  phase: string;
  createdAt: Date;
  updatedAt: Date;
}
export const RolloutRow = new EntitySchema<RolloutRow>({
  name: 'rollout',
  columns: {
    id: { type: 'uuid', primary: true },
    name: { type: 'text' },
    digest: { type: 'text' },
    slot: { type: 'text' },
    plan: { type: 'jsonb' },
    salt: { type: 'text' },
    alarms: { type: 'int', default: 1 },
    bytes: { type: 'int8', default: 0, transformer: int8 },
    state: { type: 'jsonb' },
    phase: { type: 'text' },
    createdAt: { type: 'timestamptz', name: 'created_at' },
    updatedAt: { type: 'timestamptz', name: 'updated_at' },
  },
  indices: [{ name: 'rollout_phase', columns: ['phase'] }],
});

/** `waiting`: not yet offered. `open`: offered, under way. The rest are ends, as the device reported or the deadline decided. */
export type TargetState =
  | 'waiting'
  | 'already'
  | 'open'
  | 'committed'
  | 'unproven'
  | 'failed-artifact'
  | 'failed-place'
  | 'timed-out'
  | 'rejected'
  | 'deferred'
  /** Pinned, or the release is blocked there: not the rollout's business any more, and in none of its counts. */
  | 'left-out'
  | 'rolling-back'
  | 'rolled-back'
  /** It failed on what it was to go back to. */
  | 'return-failed'
  /** A rollout of higher priority has taken the device over. */
  | 'superseded';

/** One device of a rollout; moved in sets. */
export interface RolloutTargetRow {
  rollout: RolloutId;
  device: DeviceId;
  stage: number;
  state: TargetState;
  deployment: string | null;
  previousDigest: string | null;
  failure: FailureClass | null;
  reason: string | null;
  offeredAt: Date | null;
  hardwareClass: string;
  /** Of the label that the plan's maxUnavailable names, when the device was placed; null: no plan asks. */
  label: string | null;
  /** Of the incumbent on this device, taken when the release was offered; null: too little is known of it. */
  baseline: Baseline | null;
  /** Windows too small to speak of, until there is enough. */
  kept: Sample | null;
}
export const RolloutTargetRow = new EntitySchema<RolloutTargetRow>({
  name: 'rollout_target',
  columns: {
    rollout: { type: 'uuid', primary: true },
    device: { type: 'text', primary: true },
    stage: { type: 'int' },
    state: { type: 'text' },
    deployment: { type: 'uuid', nullable: true },
    previousDigest: { type: 'text', name: 'previous_digest', nullable: true },
    failure: { type: 'text', nullable: true },
    reason: { type: 'text', nullable: true },
    offeredAt: { type: 'timestamptz', name: 'offered_at', nullable: true },
    hardwareClass: { type: 'text', name: 'hardware_class', default: '' },
    label: { type: 'text', nullable: true },
    baseline: { type: 'jsonb', nullable: true },
    kept: { type: 'jsonb', nullable: true },
  },
  indices: [
    { name: 'rollout_target_stage', columns: ['rollout', 'stage', 'state', 'device'] },
    { name: 'rollout_target_open', columns: ['rollout', 'offeredAt'], where: `"state" = 'open'` },
    {
      name: 'rollout_target_label',
      columns: ['rollout', 'stage', 'label', 'device'],
      where: `"state" = 'waiting' AND "label" IS NOT NULL`,
    },
    { name: 'rollout_target_deployment', columns: ['deployment'] },
    { name: 'rollout_target_under_way', columns: ['device'], where: `"state" IN ('open', 'rolling-back')` },
  ],
});

/** What one transaction changed in the number of a stage's devices in one state; the database's triggers write it. */
export interface RolloutCountRow {
  id: number;
  rollout: RolloutId;
  stage: number;
  state: TargetState;
  n: number;
}
export const RolloutCountRow = new EntitySchema<RolloutCountRow>({
  name: 'rollout_count',
  columns: {
    id: { type: 'int8', primary: true, generated: 'increment', transformer: int8 },
    rollout: { type: 'uuid' },
    stage: { type: 'int' },
    state: { type: 'text' },
    n: { type: 'int8', transformer: int8 },
  },
  indices: [{ name: 'rollout_count_rollout', columns: ['rollout'] }],
});

/**
 * Evidence of one gate (by its place among the stage's) in one stratum: what one transaction added. Sums are what counts, so that
 * replicas never wait for each other's row; the leader puts rows together.
 */
export interface RolloutEvidenceRow {
  id: number;
  rollout: RolloutId;
  stage: number;
  gate: number;
  stratum: string;
  devices: number;
  paired: number;
  windows: number;
  inferences: number;
  /** Sum of the fractions that were bet on. */
  exceeded: number;
  value: number;
  reference: number;
  breach: number[];
  pass: number[];
}
export const RolloutEvidenceRow = new EntitySchema<RolloutEvidenceRow>({
  name: 'rollout_evidence',
  columns: {
    id: { type: 'int8', primary: true, generated: 'increment', transformer: int8 },
    rollout: { type: 'uuid' },
    stage: { type: 'int' },
    gate: { type: 'int' },
    stratum: { type: 'text' },
    devices: { type: 'int' },
    paired: { type: 'int' },
    windows: { type: 'int8', transformer: int8 },
    inferences: { type: 'int8', transformer: int8 },
    exceeded: { type: 'double precision' },
    value: { type: 'double precision' },
    reference: { type: 'double precision' },
    breach: { type: 'double precision', array: true },
    pass: { type: 'double precision', array: true },
  },
  indices: [{ name: 'rollout_evidence_rollout', columns: ['rollout'] }],
});

/** Append-only history of one rollout: replaying the events gives the state. */
export interface RolloutEventRow {
  id: number;
  rollout: RolloutId;
  at: Date;
  actor: string;
  event: Record<string, unknown>;
  state: RolloutState;
}
export const RolloutEventRow = new EntitySchema<RolloutEventRow>({
  name: 'rollout_event',
  columns: {
    id: { type: 'int', primary: true, generated: 'increment' },
    rollout: { type: 'uuid' },
    at: { type: 'timestamptz' },
    actor: { type: 'text' },
    event: { type: 'jsonb' },
    state: { type: 'jsonb' },
  },
  indices: [{ name: 'rollout_event_rollout', columns: ['rollout', 'id'] }],
});

/** What a check outside said last of a stage, and how often in a row. */
export interface RolloutCheckRow {
  rollout: RolloutId;
  stage: number;
  name: string;
  verdict: 'pass' | 'fail' | 'wait' | 'error';
  detail: string;
  times: number;
  at: Date;
}
export const RolloutCheckRow = new EntitySchema<RolloutCheckRow>({
  name: 'rollout_check',
  columns: {
    rollout: { type: 'uuid', primary: true },
    stage: { type: 'int', primary: true },
    name: { type: 'text', primary: true },
    verdict: { type: 'text' },
    detail: { type: 'text' },
    times: { type: 'int' },
    at: { type: 'timestamptz' },
  },
});

/** How many devices were offered the release when, for as long as its budget of bytes looks back. */
export interface RolloutOfferRow {
  id: number;
  rollout: RolloutId;
  at: Date;
  devices: number;
}
export const RolloutOfferRow = new EntitySchema<RolloutOfferRow>({
  name: 'rollout_offer',
  columns: {
    id: { type: 'int8', primary: true, generated: 'increment', transformer: int8 },
    rollout: { type: 'uuid' },
    at: { type: 'timestamptz' },
    devices: { type: 'int' },
  },
  indices: [{ name: 'rollout_offer_at', columns: ['rollout', 'at'] }],
});

/** How many devices of a rollout have which value of the label that its plan's maxUnavailable names, as they were placed. */
export interface RolloutLabelRow {
  rollout: RolloutId;
  value: string;
  n: number;
}
export const RolloutLabelRow = new EntitySchema<RolloutLabelRow>({
  name: 'rollout_label',
  columns: {
    rollout: { type: 'uuid', primary: true },
    value: { type: 'text', primary: true },
    n: { type: 'int' },
  },
});
