import type { BootId } from '@flotilla/protocol';

/** When and by which clocks a batch came: its sender's uptime in seconds at the moment of sending. */
export type Reception = Readonly<{ boot: BootId; uptime: number; receivedAt: Date }>;
export type Placement = Readonly<{ startedAt: Date; endedAt: Date; receivedAt: Date; uncertain: boolean }>;

/**
 * A device's own clock may be anywhere, so a record is placed by how long before sending it was made. Of an earlier boot one
 * knows only that it ended before this one began: it is placed just there and marked uncertain.
 */
export function placeInTime(record: { boot: BootId; start: number; end: number }, reception: Reception): Placement {
  const uncertain = record.boot !== reception.boot;
  const age = uncertain ? reception.uptime : Math.max(0, reception.uptime - record.end);
  const endedAt = reception.receivedAt.getTime() - age * 1000;
  const length = Math.max(0, record.end - record.start) * 1000;
  return { startedAt: new Date(endedAt - length), endedAt: new Date(endedAt), receivedAt: reception.receivedAt, uncertain };
}
