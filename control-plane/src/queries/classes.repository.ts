import { type ClassesQuery } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { ContentRead } from './queries.service.js';
import { binder, numbered } from './query.repository.js';
import { contentRows } from './question-sql.js';

export type ClassTotals = Readonly<{ key: string[]; named: number; others: number; scores: number[] }>;
export type ClassCount = Readonly<{ n: number; class: string; count: number; distinct: number; all: number }>;

const columns = 't.classes, t.other_classes::int8, t.scores::int8[]';
const bins = Array.from({ length: 10 }, (_, i) => `sum(scores[${i + 1}])::float8`).join(', ');
const counted = (row: string) => `(SELECT coalesce(sum(value::int8), 0) FROM jsonb_each_text(${row}.classes))`;

/** What windows and their rollups say of classes: counts that add up, and what each left out. */
@Injectable()
export class ClassesRepository {
  /** The groups with the most inferences that had a class. */
  totals(tx: EntityManager, read: ContentRead, limit: number): Promise<ClassTotals[]> {
    const { values, bind } = binder();
    return tx.query(
      `SELECT key, sum(${counted('w')})::float8 named, sum(other_classes)::float8 others, ARRAY[${bins}] scores
       FROM (${contentRows(read, columns, bind)}) w GROUP BY key
       HAVING sum(${counted('w')}) + sum(other_classes) > 0 ORDER BY 2 DESC, key LIMIT ${limit}`,
      values,
    );
  }

  /** Of these groups, numbered from 1 on: each class's count, the most frequent first. */
  counts(
    tx: EntityManager,
    read: ContentRead,
    keys: readonly (readonly string[])[],
    { top, class: only }: Pick<ClassesQuery, 'top' | 'class'>,
  ): Promise<ClassCount[]> {
    const { values, bind } = binder();
    const rows = contentRows(read, columns, bind);
    return tx.query(
      `SELECT n, class, count, "distinct", "all" FROM (
         SELECT n, class, count, row_number() OVER (PARTITION BY n ORDER BY count DESC, class) place,
                count(*) OVER (PARTITION BY n)::int "distinct", sum(count) OVER (PARTITION BY n)::float8 "all"
         FROM (SELECT n, its.key class, sum(its.value::int8)::float8 count
               FROM (${rows}) w JOIN ${numbered(keys, bind)} USING (key), jsonb_each_text(w.classes) its GROUP BY n, its.key) counted) placed
       WHERE ${only === undefined ? `place <= ${top}` : `class = ${bind(only)}`} ORDER BY n, place`,
      values,
    );
  }
}
