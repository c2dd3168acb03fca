import { z } from 'zod';
import { Duration } from './duration.js';

const isZone = (zone: string) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
};
/** Of the IANA database, so that a window follows the clock on the wall through both changes of the year. */
export const Zone = z.string().max(64).refine(isZone, 'must be a time zone such as Europe/Paris or UTC');

/** Opens whenever the cron expression says (five fields, in the zone's local time), and stays open for so long. */
export const MaintenanceWindow = z
  .strictObject({
    cron: z
      .string()
      .max(200)
      .regex(/^\S+( \S+){4}$/, 'must have five fields: minute, hour, day of the month, month, day of the week'),
    duration: Duration.refine((s) => s >= 60 && s <= 31 * 86_400, 'must be between 1m and 31d'),
    zone: Zone.default('UTC'),
  })
  .meta({ id: 'MaintenanceWindow' });
export type MaintenanceWindow = z.infer<typeof MaintenanceWindow>;

/** One, or several of which any will do. */
const oneOrMore = z
  .union([MaintenanceWindow, z.array(MaintenanceWindow).min(1).max(16)])
  .transform((written) => (Array.isArray(written) ? written : [written]));

/** `download`: when devices may be offered a release; `activate`: when they may begin to run it. Absent: at any time. */
export const Windows = z.strictObject({ download: oneOrMore.optional(), activate: oneOrMore.optional() });
export type Windows = z.infer<typeof Windows>;

/** Days (`2026-12-24`, the last one included) or moments between which nothing new is offered or begun. */
export const Blackout = z
  .strictObject({
    from: z.union([z.iso.date(), z.iso.datetime({ offset: true })]),
    to: z.union([z.iso.date(), z.iso.datetime({ offset: true })]),
    /** Of days without a time. */
    zone: Zone.default('UTC'),
    reason: z.string().max(200).optional(),
  })
  .refine(({ from, to }) => from.slice(0, 10) <= to.slice(0, 10), 'must end on the day on which it begins, or later')
  .meta({ id: 'Blackout' });
export type Blackout = z.infer<typeof Blackout>;

/** What a group of devices bears, whoever rolls out to it. */
export const Calendar = z
  .strictObject({ windows: Windows.optional(), blackouts: z.array(Blackout).max(100).optional() })
  .meta({ id: 'Calendar' });
export type Calendar = z.infer<typeof Calendar>;
