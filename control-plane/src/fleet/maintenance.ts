/** Somebody is at the device: rollouts pass it by, and its silence is no alarm. */
export interface Maintenance {
  reason: string;
  since: string;
  actor: string;
}

type Attended = { maintenance: Maintenance | null; maintenanceUntil: Date | null };
export const isAttended = ({ maintenance, maintenanceUntil }: Attended, at: Date) =>
  maintenance !== null && (maintenanceUntil === null || maintenanceUntil > at);

/** Of rows of `device` under this alias. By the database's time: a maintenance that is over needs nobody to end it. */
export const inMaintenance = (alias: string) =>
  `(${alias}.maintenance IS NOT NULL AND coalesce(${alias}.maintenance_until > now(), TRUE))`;
