import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { ContentRead } from './queries.service.js';
import { binder, numbered } from './query.repository.js';
import { contentRows } from './question-sql.js';

/** Of group `n` (from 1 on) and histogram `of` (from 1 on; 0 is the score's): what lies in a bin (from 1 on). */
export type BinCount = Readonly<{ n: number; of: number; bin: number; count: number }>;

const bins = `(SELECT i "of", j bin, c::int8 count FROM jsonb_array_elements(w.baseline -> 'inputs') WITH ORDINALITY h(counts, i),
      jsonb_array_elements_text(counts) WITH ORDINALITY b(c, j)
    UNION ALL SELECT 0, j, c::int8 FROM jsonb_array_elements_text(w.baseline -> 'score') WITH ORDINALITY s(c, j)) its`;

/** By the first histogram. */
const counted = `(SELECT sum(c::int8) FROM jsonb_array_elements_text(coalesce(w.baseline -> 'inputs' -> 0, w.baseline -> 'score')) c)`;

/** What windows and their rollups counted in the bins of a release's baseline. */
@Injectable()
export class InputsRepository {
  /** The groups of which the most was counted. */
  async keys(tx: EntityManager, read: ContentRead, limit: number): Promise<string[][]> {
    const { values, bind } = binder();
    const rows = await tx.query<{ key: string[] }[]>(
      `SELECT key FROM (${contentRows(read, 't.baseline', bind)}) w WHERE baseline IS NOT NULL
       GROUP BY key ORDER BY sum(${counted}) DESC NULLS LAST, key LIMIT ${limit}`,
      values,
    );
    return rows.map(({ key }) => key);
  }

  counts(tx: EntityManager, read: ContentRead, keys: readonly (readonly string[])[]): Promise<BinCount[]> {
    const { values, bind } = binder();
    return tx.query(
      `SELECT n, its.of::int "of", its.bin::int bin, sum(its.count)::float8 count
       FROM (${contentRows(read, 't.baseline', bind)}) w JOIN ${numbered(keys, bind)} USING (key), LATERAL ${bins}
       GROUP BY n, its.of, its.bin`,
      values,
    );
  }
}
