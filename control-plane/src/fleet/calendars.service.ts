import type { Calendar, GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { CalendarsRepository } from './calendars.repository.js';
import { groupByName } from './groups.repository.js';
import { calendarProblems } from './openings-of.js';

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

  async set(group: GroupName, calendar: Calendar, actor: string): Promise<Calendar> {
    const at = this.clock.now();
    const problems = calendarProblems(calendar, at.getTime());
    if (problems.length > 0) throw new AppError('INVALID_REQUEST', `calendar: ${problems.join('; ')}`);
    await this.calendars.transaction(async (tx) => {
      await groupByName(tx, group);
      await this.calendars.set(tx, group, calendar, at);
      const message = `group ${group} has a calendar of its own: it holds for what is offered from now on`;
      await this.events.append(tx, { kind: 'group-calendar-set', actor, message, data: { group, calendar } });
    });
    return calendar;
  }

  /** A second time as the first. */
  async remove(group: GroupName, actor: string): Promise<void> {
    if (!(await this.calendars.of(group))) return;
    await this.calendars.transaction(async (tx) => {
      await this.calendars.remove(tx, group);
      const message = `group ${group} has no calendar of its own any more`;
      await this.events.append(tx, { kind: 'group-calendar-removed', actor, message, data: { group } });
    });
  }
}

function none(group: GroupName): never {
  throw new AppError(
    'CALENDAR_NOT_FOUND',
    `group ${group} has no calendar; \`flotilla groups calendar ${group} -f FILE\` gives it one`,
  );
}
