import type { BaselineCounts } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Counters } from '../platform/counters.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { type Contents, ContentSum } from './content-sum.js';
import { IdWatermark } from './id-watermark.js';
import { type IdSpan, RollUp, type Taken } from './roll-up.js';
import { dayOf, hourOf, type RollupKey } from './rollup-levels.js';
import { rowsAt } from './rows-at.js';
import { type Column, insertInto } from './unnest.js';

const everyMs = 10 * 60_000;
/** Windows are read in portions of so many ids. `rows` bound a transaction's memory: a few kilobytes each. */
const step = { portion: 2000, rows: 5000, ms: 2000 };

const key = ['device', 'slot', 'digest', 'variant'] as const;
const tables = { rollup_content_hour: hourOf, rollup_content_day: dayOf } as const;
type Table = keyof typeof tables;
/** Text in the database's own notation: several times as fast as the driver's reading. */
type Sent = { classes: string; otherClasses: number; scores: string; baseline: string | null };
type Window = Sent & { endedAt: number } & Record<(typeof key)[number], string>;
type Entry = { key: RollupKey; sum: ContentSum };

const columns = (row: string) =>
  `${row}.classes::text, ${row}.other_classes::float8 "otherClasses", ${row}.scores::text, ${row}.baseline::text`;
const windowsSql = `
  SELECT date_part('epoch', w.ended_at) * 1000 "endedAt", ${key.map((name) => `w.${name}`).join(', ')}, ${columns('w')}
  FROM telemetry_window w WHERE w.id > $1 AND w.id <= $2`;

/** What windows say of classes, scores and inputs into that of each device's hours and days. Seldom: nobody waits for it, and it takes time. */
@Injectable()
export class ContentRollups extends RollUp {
  readonly watermark: IdWatermark;

  constructor(
    @Inject(DataSource) db: DataSource,
    @Inject(Leader) leader: Leader,
    @Inject(Counters) counters: Counters,
    @Inject(LOGGER) log: Logger,
  ) {
    const watermark = new IdWatermark(db, 'telemetry_window', 'window_contents');
    super({ what: 'classes and inputs', everyMs, watermark, transaction: (work) => db.transaction(work) }, leader, counters, log);
    this.watermark = watermark;
  }

  protected override take = take;

  protected override took({ rows }: Taken): void {
    this.counters.count('rollup.contents', rows);
  }
}

async function take(tx: EntityManager, { from, upTo }: IdSpan): Promise<Taken> {
  const until = performance.now() + step.ms;
  const hours = new Sums();
  let [rows, last] = [0, from];
  do {
    const next = Math.min(last + step.portion, upTo);
    const windows = await tx.query<Window[]>(windowsSql, [last, next]);
    for (const { endedAt, device, slot, digest, variant, ...its } of windows)
      hours.add([hourOf(endedAt), device, slot, digest, variant], contentsOf(its));
    rows += windows.length;
    last = next;
  } while (last < upTo && hours.size < step.rows && performance.now() < until);
  const days = new Sums();
  for (const {
    key: [hour, ...rest],
    sum,
  } of hours.entries())
    days.add([dayOf(hour), ...rest], sum);
  await addTo(tx, 'rollup_content_hour', hours);
  await addTo(tx, 'rollup_content_day', days);
  return { rows, last };
}

class Sums {
  readonly #sums = new Map<string, Entry>();

  add(itsKey: RollupKey, contents: Contents): void {
    // No text in the database holds a NUL.
    const name = itsKey.join('\0');
    let entry = this.#sums.get(name);
    if (!entry) this.#sums.set(name, (entry = { key: itsKey, sum: new ContentSum() }));
    entry.sum.add(contents);
  }

  get size(): number {
    return this.#sums.size;
  }

  entries(): Entry[] {
    return [...this.#sums.values()];
  }
}

/** Adds what is there already, then writes the whole: whoever holds the watermark is alone with these tables. */
async function addTo(tx: EntityManager, table: Table, sums: Sums): Promise<void> {
  const keys = sums.entries().map((entry) => entry.key);
  const found = await rowsAt<Sent>(tx, { table, key, columns: columns('r') }, keys);
  for (const { bucket, key: rest, ...its } of found) sums.add([bucket, ...rest], contentsOf(its));
  if (sums.size > 0) await writers[table](tx, sums.entries());
}

const contentsOf = ({ classes, otherClasses, scores, baseline }: Sent): Contents => ({
  classes: JSON.parse(classes) as Record<string, number>,
  otherClasses,
  scores: JSON.parse(`[${scores.slice(1, -1)}]`) as number[],
  baseline: baseline === null ? null : (JSON.parse(baseline) as BaselineCounts),
});

const names = ['bucket', ...key].join(', ');
const written: readonly Column<Entry>[] = [
  ['bucket', 'timestamptz', (entry) => new Date(entry.key[0])],
  ...key.map((name, i): Column<Entry> => [name, 'text', (entry) => entry.key[i + 1]]),
  ['classes', 'jsonb', ({ sum }) => sum.classes],
  ['other_classes', 'int8', ({ sum }) => sum.otherClasses],
  ['scores', 'int8[]', ({ sum }) => sum.scores],
  ['baseline', 'jsonb', ({ sum }) => sum.baseline],
];
const onConflict = `ON CONFLICT (${names}) DO UPDATE SET classes = excluded.classes, other_classes = excluded.other_classes,
  scores = excluded.scores, baseline = excluded.baseline`;
const writers = {
  rollup_content_hour: insertInto('rollup_content_hour', written, { onConflict }),
  rollup_content_day: insertInto('rollup_content_day', written, { onConflict }),
};
