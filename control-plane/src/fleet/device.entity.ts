import type { DeviceId, FailureClass, Probation, SlotName, UpdateState } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';
import type { Maintenance } from './maintenance.js';

/** An enrolled device. Its row is the lock under which desired state and epoch change. */
export interface DeviceRow {
  id: DeviceId;
  tenant: string;
  /** `pending`: enrolled, and told nothing before somebody approves it. */
  status: 'active' | 'pending' | 'revoked';
  profile: string;
  hardwareClass: string;
  labels: Record<string, string>;
  notes: string[];
  agent: string | null;
  keyThumbprint: string;
  certificateSerial: string;
  certificateExpiresAt: Date;
  enrolledAt: Date;
  /** Version of the desired state, and its sha256 as last issued. */
  epoch: number;
  desiredHash: string | null;
  stream: string | null;
  session: number;
  boot: string | null;
  reportedEpoch: number | null;
  reportedHash: string | null;
  online: boolean;
  lastSeenAt: Date | null;
  maintenance: Maintenance | null;
  maintenanceUntil: Date | null;
}
export const DeviceRow = new EntitySchema<DeviceRow>({
  name: 'device',
  columns: {
    id: { type: 'text', primary: true },
    tenant: { type: 'text', default: 'default' },
    status: { type: 'text' },
    profile: { type: 'text' },
    hardwareClass: { type: 'text', name: 'hardware_class' },
    labels: { type: 'jsonb' },
    notes: { type: 'jsonb' },
    agent: { type: 'text', nullable: true },
    keyThumbprint: { type: 'text', name: 'key_thumbprint' },
    certificateSerial: { type: 'text', name: 'certificate_serial' },
    certificateExpiresAt: { type: 'timestamptz', name: 'certificate_expires_at' },
    enrolledAt: { type: 'timestamptz', name: 'enrolled_at' },
    epoch: { type: 'int', default: 0 },
    desiredHash: { type: 'text', name: 'desired_hash', nullable: true },
    stream: { type: 'text', nullable: true },
    session: { type: 'int', default: 0 },
    boot: { type: 'text', nullable: true },
    reportedEpoch: { type: 'int', name: 'reported_epoch', nullable: true },
    reportedHash: { type: 'text', name: 'reported_hash', nullable: true },
    online: { type: 'boolean', default: false },
    lastSeenAt: { type: 'timestamptz', name: 'last_seen_at', nullable: true },
    maintenance: { type: 'jsonb', nullable: true },
    maintenanceUntil: { type: 'timestamptz', name: 'maintenance_until', nullable: true },
  },
  indices: [
    { name: 'device_not_active', columns: ['id'], where: `"status" <> 'active'` },
    { name: 'device_in_maintenance', columns: ['id'], where: `"maintenance" IS NOT NULL` },
  ],
});

/** Which release a slot of a device should run, by which owner ('manual', 'rollout:<id>', 'pin', 'kill:<id>', 'restored'). */
export interface AssignmentRow {
  device: DeviceId;
  slot: SlotName;
  deployment: string;
  digest: string;
  owner: string;
  priority: number;
  probation: Probation;
  /** Limits in microseconds by name: the device counts what is slower. */
  slow: Record<string, number>;
  assignedAt: Date;
  /** By whom, and why, where it was said. */
  actor: string | null;
  reason: string | null;
}
export const AssignmentRow = new EntitySchema<AssignmentRow>({
  name: 'assignment',
  columns: {
    device: { type: 'text', primary: true },
    slot: { type: 'text', primary: true },
    deployment: { type: 'uuid' },
    digest: { type: 'text' },
    owner: { type: 'text' },
    priority: { type: 'int' },
    probation: { type: 'jsonb' },
    slow: { type: 'jsonb', default: {} },
    assignedAt: { type: 'timestamptz', name: 'assigned_at' },
    actor: { type: 'text', nullable: true },
    reason: { type: 'text', nullable: true },
  },
  indices: [{ name: 'assignment_digest', columns: ['digest'] }],
});

/** What a slot last said of itself. */
export interface SlotReportRow {
  device: DeviceId;
  slot: SlotName;
  deployment: string | null;
  digest: string | null;
  committed: string | null;
  state: UpdateState;
  failure: FailureClass | null;
  reason: string | null;
  variant: string | null;
  at: Date;
}
export const SlotReportRow = new EntitySchema<SlotReportRow>({
  name: 'slot_report',
  columns: {
    device: { type: 'text', primary: true },
    slot: { type: 'text', primary: true },
    deployment: { type: 'uuid', nullable: true },
    digest: { type: 'text', nullable: true },
    committed: { type: 'text', nullable: true },
    state: { type: 'text' },
    failure: { type: 'text', nullable: true },
    reason: { type: 'text', nullable: true },
    variant: { type: 'text', nullable: true },
    at: { type: 'timestamptz' },
  },
});

/** A release that a slot has committed, and when last: where a kill leads back to. What was taken back from it is not in here. */
export interface SlotCommitRow {
  device: DeviceId;
  slot: SlotName;
  digest: string;
  firstAt: Date;
  at: Date;
}
export const SlotCommitRow = new EntitySchema<SlotCommitRow>({
  name: 'slot_commit',
  columns: {
    device: { type: 'text', primary: true },
    slot: { type: 'text', primary: true },
    digest: { type: 'text', primary: true },
    firstAt: { type: 'timestamptz', name: 'first_at' },
    at: { type: 'timestamptz' },
  },
  indices: [{ name: 'slot_commit_digest', columns: ['digest'] }],
});
