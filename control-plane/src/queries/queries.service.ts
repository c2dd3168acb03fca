import type { TelemetryAnswer, TelemetryFigures, TelemetryGroup, TelemetryLevel, TelemetryQuery } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { ControlPlaneConfig } from '../config.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, CONFIG, type Clock } from '../platform/tokens.js';
import { figuresOf } from './figures.js';
import { type Content, lengthMs, planOf } from './levels.js';
import { type GroupSketch, type GroupTotals, QueryRepository, type Read } from './query.repository.js';
import { rowsFor, type Question } from './question-sql.js';

/** Milliseconds since 1970. */
export type Span = Readonly<{ from: number; to: number }>;
export type ReadingOf = Question & Readonly<{ span: Span; level?: TelemetryLevel | undefined }>;
type Asked = ReadingOf & Readonly<{ order: TelemetryQuery['order']; limit: number }>;
export type Found = Readonly<{ span: Span; level: TelemetryLevel; groups: readonly Group[] }>;
type Group = Readonly<{ key: readonly string[]; at: Date | null; figures: TelemetryFigures }>;

export type ContentOf = Readonly<{ of: Content; watermark: string }>;
/** `fresh`: what came since the roll-up is read too. `asOf`: all that was stored by then is in the answer. */
export type ContentRead = Read & Readonly<{ fresh: boolean; asOf: Date }>;

const mostItems = 10_000;
/** So many records above the watermark are read in a quarter of a second. */
const mostYoung = 60_000;

/** Questions about the fleet's windows. */
@Injectable()
export class QueriesService {
  constructor(
    @Inject(QueryRepository) private readonly rows: QueryRepository,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'device' | 'retentionDays' | 'rollupDays'>,
  ) {}

  async answer({ by, since, until, step, level, order, limit, ...filter }: TelemetryQuery): Promise<TelemetryAnswer> {
    const found = await this.find({ by, filter, step, level, order, limit, span: this.span({ since, until }) });
    return { ...readOf(found), items: found.groups.map((group) => itemOf(by, group)) };
  }

  /** `since` and `until` are seconds ago, or moments. */
  span({ since, until }: Pick<TelemetryQuery, 'since' | 'until'>): Span {
    const span = { from: this.moment(since), to: this.moment(until) };
    if (span.from < span.to) return span;
    throw new AppError('INVALID_REQUEST', `since: ${iso(span.from)} is not before until, which is ${iso(span.to)}`);
  }

  /** So long ago, or a moment. */
  moment(when: number | Date): number {
    return typeof when === 'number' ? this.clock.now().getTime() - when * 1000 : when.getTime();
  }

  find(asked: Asked): Promise<Found> {
    return this.reading(asked, async (tx, read) => {
      const { plan } = read;
      const totals = await this.rows.totals(tx, read, asked);
      const keys = totals.map(({ key }) => key);
      if (asked.step) refuseTooMany(keys.length, (plan.to - plan.from) / lengthMs[asked.step]);
      const groups = asked.step && keys.length > 0 ? await this.rows.buckets(tx, read, keys) : totals;
      const sketches = keys.length > 0 ? await this.rows.sketches(tx, read, totals) : [];
      return { span: plan, level: plan.level, groups: withFigures(groups, sketches) };
    });
  }

  /** Decides from what level the answer comes, and reads it, all at one moment. */
  reading<T>(asked: ReadingOf, read: (tx: EntityManager, read: Read) => Promise<T>): Promise<T> {
    return this.rows.inOneSnapshot(async (tx, rolledUp) => {
      const { step, level, span, filter } = asked;
      const devices = await this.rows.devices(tx, filter);
      const circumstances = { rows: rowsFor(asked), devices, windowS: this.config.device.windowS, now: this.moment(0) };
      const plan = planOf({ ...circumstances, ...span, step, level }, this.#keptMs());
      return read(tx, { plan, question: asked, ...rolledUp });
    });
  }

  /** The same of what is rolled up by device only, every some minutes. What came since is read where that does not take long. */
  readingContents<T>(asked: ReadingOf & ContentOf, read: (tx: EntityManager, read: ContentRead) => Promise<T>): Promise<T> {
    return this.rows.inOneSnapshot(async (tx, rolledUp) => {
      const { step, level, span, filter, of } = asked;
      const devices = await this.rows.devices(tx, filter);
      const [now, { windowS }] = [this.moment(0), this.config.device];
      const levels = rolledUp.at ? (['raw', 'hour', 'day'] as const) : (['raw'] as const);
      const plan = planOf({ rows: 'device', of, levels, devices, windowS, now, ...span, step, level }, this.#keptMs());
      const since = now - (rolledUp.at?.getTime() ?? 0);
      const fresh = plan.level === 'raw' || (devices * since) / 1000 / windowS <= mostYoung;
      const asOf = fresh ? new Date(now) : rolledUp.at!;
      return read(tx, { plan, question: asked, ...rolledUp, fresh, asOf });
    }, asked.watermark);
  }

  #keptMs(): Record<TelemetryLevel, number> {
    const { retentionDays: raw, rollupDays } = this.config;
    const ms = (days: number) => days * lengthMs.day;
    return { raw: ms(raw), minute: ms(rollupDays.minute), hour: ms(rollupDays.hour), day: ms(rollupDays.day) };
  }
}

export const readOf = ({ span, level }: Pick<Found, 'span' | 'level'>) => ({ since: iso(span.from), until: iso(span.to), level });
const iso = (at: number) => new Date(at).toISOString();

export function refuseTooMany(groups: number, buckets: number): void {
  if (groups * buckets > mostItems)
    throw new AppError(
      'INVALID_REQUEST',
      `${groups} groups in ${Math.ceil(buckets)} buckets are more than ${mostItems}: ask for a smaller limit, for less time, or for a longer step`,
    );
}

function withFigures(groups: readonly GroupTotals[], sketches: readonly GroupSketch[]): Group[] {
  const id = ({ key, at }: GroupTotals | GroupSketch) => JSON.stringify([key, at]);
  const own = Map.groupBy(sketches, id);
  return groups.map((totals) => ({ key: totals.key, at: totals.at, figures: figuresOf(totals, own.get(id(totals)) ?? []) }));
}

const itemOf = (by: readonly string[], { key, at, figures }: Group): TelemetryGroup => ({
  key: Object.fromEntries(by.map((dimension, i) => [dimension, key[i] ?? ''])),
  ...(at && { at: at.toISOString() }),
  ...figures,
});
