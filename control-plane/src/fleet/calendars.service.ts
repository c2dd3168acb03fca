import type { Calendar, GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { type Precondition, tagOf } from '../platform/preconditions.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { CalendarsRepository } from './calendars.repository.js';
import { groupByName } from './groups.repository.js';
import { calendarProblems } from './openings-of.js';

export const calendarTag = (calendar: Calendar): string => tagOf(calendar);

type Change = { actor: string; precondition: Precondition };

/** Windows and blackouts that groups of devices bear, whoever rolls out to them. */
@Injectable()
export class CalendarsService {
  constructor(
    @Inject(CalendarsRepository) private readonly calendars: CalendarsRepository,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async show(group: GroupName): Promise<Calendar> {
    return (await this.calendars.of(group)) ?? none(group);
  }

  async set(group: GroupName, calendar: Calendar, { actor, precondition }: Change): Promise<Calendar> {
    const at = this.clock.now();
    const problems = calendarProblems(calendar, at.getTime());
    if (problems.length > 0) throw new AppError('INVALID_REQUEST', `calendar: ${problems.join('; ')}`);
    await this.calendars.transaction(async (tx) => {
      await groupByName(tx, group);
      await this.check(tx, group, precondition);
      await this.calendars.set(tx, group, calendar, at);
      const message = `group ${group} has a calendar of its own: it holds for what is offered from now on, and for devices that wait to begin`;
      await this.events.append(tx, { kind: 'group-calendar-set', actor, message, data: { group, calendar } });
    });
    return calendar;
  }

  /** A second time as the first. */
  async remove(group: GroupName, { actor, precondition }: Change): Promise<void> {
    await this.calendars.transaction(async (tx) => {
      if (!(await this.check(tx, group, precondition))) return;
      await this.calendars.remove(tx, group);
      const message = `group ${group} has no calendar of its own any more`;
      await this.events.append(tx, { kind: 'group-calendar-removed', actor, message, data: { group } });
    });
  }

  /** Nobody changes it in between: whoever sets or removes one waits for the group. */
  private async check(tx: EntityManager, group: GroupName, precondition: Precondition): Promise<boolean> {
    const now = await this.calendars.locked(tx, group);
    precondition.check(`the calendar of group ${group}`, now && calendarTag(now));
    return now !== undefined;
  }
}

function none(group: GroupName): never {
  throw new AppError(
    'CALENDAR_NOT_FOUND',
    `group ${group} has no calendar; \`flotilla groups calendar ${group} -f FILE\` gives it one`,
  );
}
