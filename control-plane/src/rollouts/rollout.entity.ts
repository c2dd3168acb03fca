import type { DeviceId, FailureClass, RolloutId, RolloutPlan } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';
import { int8 } from '../platform/number-column.js';
import type { RolloutState } from '../core/rollout.js';

export interface RolloutRow {
  id: RolloutId;
  name: string;
  digest: string;
  slot: string;
  plan: RolloutPlan;
  /** Membership is hash(salt, device). */
  salt: string;
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
  | 'rolling-back'
  | 'rolled-back';

/** One device of a rollout; moved in sets. Evidence counts since activation, for this deployment. */
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
  inferences: number;
  errors: number;
  computeCpuUs: number;
  /** Mean compute CPU time per inference of the incumbent on this device, microseconds; null: no baseline. */
  baselineUs: number | null;
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
    inferences: { type: 'int8', default: 0, transformer: int8 },
    errors: { type: 'int8', default: 0, transformer: int8 },
    computeCpuUs: { type: 'int8', name: 'compute_cpu_us', default: 0, transformer: int8 },
    baselineUs: { type: 'double precision', name: 'baseline_us', nullable: true },
  },
  indices: [
    { name: 'rollout_target_stage', columns: ['rollout', 'stage', 'state'] },
    { name: 'rollout_target_deployment', columns: ['deployment'] },
  ],
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
