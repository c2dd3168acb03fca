import { type ClassesAnswer, type ClassesGroup, type ClassesQuery, classError } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { type ClassCount, ClassesRepository, type ClassTotals } from './classes.repository.js';
import { QueriesService, readOf } from './queries.service.js';

/** Which classes models answered with, and how sure they were. */
@Injectable()
export class ClassesService {
  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(ClassesRepository) private readonly rows: ClassesRepository,
  ) {}

  answer({ by, since, until, level, class: only, top, limit, ...filter }: ClassesQuery): Promise<ClassesAnswer> {
    const asked = {
      by,
      filter,
      level,
      span: this.queries.span({ since, until }),
      of: 'contents',
      watermark: 'window_contents',
    } as const;
    return this.queries.readingContents(asked, async (tx, read) => {
      const totals = await this.rows.totals(tx, read, limit);
      const keys = totals.map(({ key }) => key);
      const counts = keys.length > 0 ? await this.rows.counts(tx, read, keys, { top, class: only }) : [];
      const own = Map.groupBy(counts, ({ n }) => n);
      return {
        ...readOf({ span: read.plan, level: read.plan.level }),
        asOf: read.asOf.toISOString(),
        items: totals.map((its, i) => groupOf(by, its, own.get(i + 1) ?? [])),
      };
    });
  }
}

function groupOf(
  by: readonly string[],
  { key, named, others, scores }: ClassTotals,
  counts: readonly ClassCount[],
): ClassesGroup {
  const classified = named + others;
  const share = (count: number) => Number(Math.min(1, count / classified).toPrecision(6));
  // Each window lacks at most that much of a class, so all of them together do not lack more.
  const lacking = classError({ otherClasses: others });
  const told = counts.reduce((sum, { count }) => sum + count, 0);
  return {
    key: Object.fromEntries(by.map((dimension, i) => [dimension, key[i] ?? ''])),
    classified,
    classes: counts.map(({ class: name, count }) => ({
      class: name,
      count,
      share: share(count),
      shareAtMost: share(count + lacking),
    })),
    distinct: counts[0]?.distinct ?? 0,
    otherShare: share(classified - told),
    ...scoresOf(scores),
  };
}

function scoresOf(scores: readonly number[]): Pick<ClassesGroup, 'scores' | 'meanScore'> {
  const scored = scores.reduce((sum, count) => sum + count, 0);
  if (scored === 0) return {};
  const middles = scores.reduce((sum, count, bin) => sum + count * (bin + 0.5), 0) / 10;
  return { scores: [...scores], meanScore: Number((middles / scored).toPrecision(3)) };
}
