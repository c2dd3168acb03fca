import type { ChangesQuery, TelemetryChanges, TelemetryFilter, TelemetryLevel } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { ChangesRepository } from './changes.repository.js';
import { compared, inWords } from './compared.js';
import { lengthMs } from './levels.js';
import { type Found, QueriesService, readOf, type Span } from './queries.service.js';

/** What happened around a moment, and what was measured before and after. */
@Injectable()
export class ChangesService {
  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(ChangesRepository) private readonly events: ChangesRepository,
  ) {}

  async around({ at, around, ...filter }: ChangesQuery): Promise<TelemetryChanges> {
    const moment = this.queries.moment(at);
    const whole = { from: moment - around * 1000, to: moment + around * 1000 };
    const level = await this.queries.reading({ by: [], filter, span: whole }, async (_tx, read) => read.plan.level);
    const sides = sidesOf(whole, moment, level);
    const before = await this.#side(filter, sides.before, level);
    const after = await this.#side(filter, sides.after, level);
    const metrics = compared(before.whole.groups[0]?.figures, after.whole.groups[0]?.figures);
    return {
      at: new Date(moment).toISOString(),
      before: readOf(before.whole),
      after: readOf(after.whole),
      metrics,
      words: inWords({ a: 'before', b: 'afterwards', when: 'afterwards' }, metrics),
      releases: side(before.releases, after.releases),
      ...(await this.events.between(new Date(whole.from), new Date(whole.to), filter)),
    };
  }

  async #side(filter: TelemetryFilter, span: Span, level: TelemetryLevel): Promise<{ whole: Found; releases: Found }> {
    const asked = { filter, span, level, order: 'inferences', limit: 50 } as const;
    return {
      whole: await this.queries.find({ ...asked, by: [] }),
      releases: await this.queries.find({ ...asked, by: ['release'] }),
    };
  }
}

/** The bucket in which it happened is of neither side. */
function sidesOf({ from, to }: Span, at: number, level: TelemetryLevel): { before: Span; after: Span } {
  const length = lengthMs[level];
  return {
    before: { from, to: Math.floor(at / length) * length },
    after: { from: Math.ceil(at / length) * length, to },
  };
}

function side(before: Found, after: Found): TelemetryChanges['releases'] {
  const names = new Set([...before.groups, ...after.groups].map(({ key }) => key[0]!));
  const count = ({ groups }: Found, name: string) => {
    const figures = groups.find(({ key }) => key[0] === name)?.figures;
    return figures ? figures.ok + figures.errors : 0;
  };
  return [...names]
    .map((release) => ({ release, before: count(before, release), after: count(after, release) }))
    .toSorted((a, b) => b.before + b.after - a.before - a.after);
}
