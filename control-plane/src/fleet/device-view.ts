import type { DeviceId, DeviceSlotView, DeviceView, GroupName } from '@flotilla/protocol';
import type { AssignmentRow, DeviceRow, SlotReportRow } from './device.entity.js';

import { isAttended } from './maintenance.js';

/** What a device's slots should run, say they run, and how people call those releases. */
interface SlotFacts {
  assignments: readonly AssignmentRow[];
  reports: readonly SlotReportRow[];
  names: ReadonlyMap<string, string>;
  groups: ReadonlyMap<DeviceId, GroupName[]>;
  at: Date;
}

/** Stands for a digest that the control plane has no release for (the database was restored). */
export const unknownRelease = (digest: string) => `unknown@0.0.0+${digest.slice(0, 12)}`;

export function deviceViews(rows: readonly DeviceRow[], facts: SlotFacts): DeviceView[] {
  const assignments = Map.groupBy(facts.assignments, (row) => row.device);
  const reports = Map.groupBy(facts.reports, (row) => row.device);
  return rows.map((row) => ({
    ...deviceView(row, slotViews(assignments.get(row.id) ?? [], reports.get(row.id) ?? [], facts.names)),
    groups: facts.groups.get(row.id) ?? [],
    ...maintenanceOf(row, facts.at),
  }));
}

function maintenanceOf(row: DeviceRow, at: Date): Pick<DeviceView, 'maintenance'> {
  const { maintenance, maintenanceUntil } = row;
  if (!maintenance || !isAttended(row, at)) return {};
  return { maintenance: { ...maintenance, ...(maintenanceUntil && { until: maintenanceUntil.toISOString() }) } };
}

const deviceView = (row: DeviceRow, slots: DeviceSlotView[]): Omit<DeviceView, 'groups'> => ({
  id: row.id,
  status: row.status,
  online: row.online,
  ...(row.lastSeenAt && { lastSeen: row.lastSeenAt.toISOString() }),
  profile: row.profile,
  hardwareClass: row.hardwareClass,
  ...(row.agent !== null && { agent: row.agent }),
  labels: row.labels,
  notes: row.notes,
  epoch: row.epoch,
  ...(row.reportedEpoch !== null && { reportedEpoch: row.reportedEpoch }),
  enrolledAt: row.enrolledAt.toISOString(),
  slots,
});

function slotViews(
  assignments: readonly AssignmentRow[],
  reports: readonly SlotReportRow[],
  names: ReadonlyMap<string, string>,
): DeviceSlotView[] {
  const slots = [...new Set([...assignments, ...reports].map((row) => row.slot))].toSorted();
  return slots.map((slot) => {
    const assignment = assignments.find((row) => row.slot === slot);
    const report = reports.find((row) => row.slot === slot);
    return {
      slot,
      ...(assignment && { assignment: assignmentView(assignment, names) }),
      ...(report && { reported: reportView(report, names) }),
    };
  });
}

const assignmentView = ({ deployment, digest, owner }: AssignmentRow, names: ReadonlyMap<string, string>) =>
  ({ deployment, digest, owner, release: names.get(digest) ?? unknownRelease(digest) }) as NonNullable<
    DeviceSlotView['assignment']
  >;

function reportView(row: SlotReportRow, names: ReadonlyMap<string, string>): NonNullable<DeviceSlotView['reported']> {
  const release = row.digest === null ? undefined : names.get(row.digest);
  return {
    ...given('deployment', row.deployment),
    ...given('digest', row.digest),
    ...given('release', release),
    ...given('committed', row.committed),
    state: row.state,
    ...given('failure', row.failure),
    ...given('reason', row.reason),
    at: row.at.toISOString(),
  } as NonNullable<DeviceSlotView['reported']>;
}

const given = (key: string, value: string | null | undefined) => (value === null || value === undefined ? {} : { [key]: value });
