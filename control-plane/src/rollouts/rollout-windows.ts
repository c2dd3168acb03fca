import type { DeviceId, GroupName, RolloutPlan, RolloutPreview } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { allOf, isOpen, type Openings } from '../core/openings.js';
import { CalendarsRepository, type Timing } from '../fleet/calendars.repository.js';
import { type CalendarOpenings, openingsOf } from '../fleet/openings-of.js';

/**
 * What of a rollout may not be offered now: all of it, or the devices of some groups. `why`: in words, with the end of it.
 * `never`: there is no window nor blackout that could hold any device.
 */
export type Closed = Readonly<{ all: boolean; groups: readonly GroupName[]; why: string; never: boolean }>;
/** Devices, and how many of them are in each group. */
type Counted = Readonly<{ devices: number; inGroups: (groups: readonly GroupName[]) => Promise<ReadonlyMap<GroupName, number>> }>;
type Bound = CalendarOpenings & Readonly<{ group?: GroupName }>;

/** When devices may be offered a release and when they may begin to run it: by the plan and by the groups that they are in. */
@Injectable()
export class RolloutWindows {
  constructor(@Inject(CalendarsRepository) private readonly calendars: CalendarsRepository) {}

  async closed(tx: EntityManager, plan: RolloutPlan, at: Date): Promise<Closed> {
    const bounds = await this.bounds(tx, plan);
    const shut = bounds.filter(({ offers }) => !isOpen(offers, at.getTime()));
    const groups = shut.flatMap(({ group }) => group ?? []);
    const why = shut.map((bound) => inWords(bound, at)).join('; ');
    return { all: shut.some(({ group }) => group === undefined), groups, why, never: bounds.length === 0 };
  }

  /** For devices that are about to be offered it, or to be let go. A device that nothing holds back is left out. */
  async timings(tx: EntityManager, plan: RolloutPlan, at: Date, devices: readonly DeviceId[]): Promise<Map<DeviceId, Timing>> {
    const bounds = await this.bounds(tx, plan);
    const groups = bounds.flatMap(({ group }) => group ?? []);
    if (bounds.length === 0 || devices.length === 0) return new Map();
    const memberships = await this.calendars.membersAmong(tx, groups, devices);
    // Thousands of devices share a handful of combinations of groups.
    const known = new Map<string, Timing | undefined>();
    const timingOf = (own: readonly GroupName[]) => {
      const key = own.join(' ');
      if (!known.has(key)) known.set(key, timing(plan, activatesOf(bounds, own), at));
      return known.get(key);
    };
    return new Map(
      devices.flatMap((device) => {
        const its = timingOf(memberships.get(device) ?? []);
        return its ? [[device, its] as const] : [];
      }),
    );
  }

  /** What holds for these devices, and when each next lets them be offered it and begin to run it. */
  async preview(
    tx: EntityManager,
    plan: RolloutPlan,
    at: Date,
    { devices, inGroups }: Counted,
  ): Promise<RolloutPreview['calendars']> {
    const bounds = await this.bounds(tx, plan);
    const members = await inGroups(bounds.flatMap(({ group }) => group ?? []));
    return bounds.flatMap((bound) => {
      const { group } = bound;
      const own = group === undefined ? devices : (members.get(group) ?? 0);
      return own === 0 ? [] : [{ ...(group === undefined ? {} : { group }), devices: own, ...nextOf(bound, at) }];
    });
  }

  /** The plan's own first; nothing for a plan without, on devices without. */
  async bounds(tx: EntityManager, plan: RolloutPlan): Promise<Bound[]> {
    const { windows, blackouts, groupCalendars } = plan;
    const own = windows || blackouts ? [openingsOf({ windows, blackouts })] : [];
    const groups = groupCalendars === 'override' ? [] : await this.calendars.all(tx);
    return [...own, ...groups.map(({ group, calendar }) => ({ group, ...openingsOf(calendar) }))];
  }
}

const activatesOf = (bounds: readonly Bound[], own: readonly GroupName[]): Openings =>
  allOf(bounds.filter(({ group }) => group === undefined || own.includes(group)).map(({ activates }) => activates));

/** Undefined: at once, and at any time. Who finishes what was begun may begin after the window too. */
function timing({ inFlight }: RolloutPlan, activates: Openings, at: Date): Timing | undefined {
  const span = activates(at.getTime());
  if (!span) return { hold: true };
  const after = span.from > at.getTime() ? { after: span.from } : {};
  const before = inFlight === 'hold' && span.to < Infinity ? { before: span.to } : {};
  return 'after' in after || 'before' in before ? { ...after, ...before } : undefined;
}

function nextOf({ offers, activates }: CalendarOpenings, at: Date) {
  const instant = (ms: number | undefined) =>
    ms === undefined || ms === Infinity ? null : new Date(Math.max(ms, at.getTime())).toISOString();
  const span = activates(at.getTime());
  return {
    offersFrom: instant(offers(at.getTime())?.from),
    activatesFrom: instant(span?.from),
    activatesUntil: instant(span?.to),
  };
}

function inWords({ group, offers }: Bound, at: Date): string {
  const next = offers(at.getTime());
  const whose = group === undefined ? 'by the plan' : `for group "${group}"`;
  return `nothing is offered ${whose} ${next ? `until ${new Date(next.from).toISOString()}` : 'any more'}`;
}
