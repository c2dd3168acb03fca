import type { Baseline, InputsAnswer, InputsGroup, InputsQuery } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { type BinCount, InputsRepository } from './inputs.repository.js';
import { QueriesService, readOf } from './queries.service.js';

/** What inputs looked like, beside what they looked like when the model was made. */
@Injectable()
export class InputsService {
  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(InputsRepository) private readonly rows: InputsRepository,
    @Inject(ReleasesService) private readonly releases: Pick<ReleasesService, 'baselineOf'>,
  ) {}

  async answer({ by, since, until, level, limit, ...filter }: InputsQuery): Promise<InputsAnswer> {
    const { release } = filter;
    const span = this.queries.span({ since, until });
    const baseline = await this.releases.baselineOf(release);
    if (!baseline)
      throw new AppError(
        'INVALID_REQUEST',
        `release: ${release} came without a baseline, so there are no bins to count in: make one with "flotilla-agent baseline", name it in release.yaml, and push the next version`,
      );
    const asked = { by, filter, level, span, of: 'contents', watermark: 'window_contents' } as const;
    return this.queries.readingContents(asked, async (tx, read) => {
      const keys = await this.rows.keys(tx, read, limit);
      const counts = keys.length > 0 ? await this.rows.counts(tx, read, keys) : [];
      const own = Map.groupBy(counts, ({ n }) => n);
      const { v, inferences, inputs, score } = baseline;
      return {
        ...readOf({ span: read.plan, level: read.plan.level }),
        asOf: read.asOf.toISOString(),
        release,
        baseline: { v, inferences, inputs, ...(score && { score }) },
        items: keys.map((key, i) => groupOf(by, key, baseline, own.get(i + 1) ?? [])),
      };
    });
  }
}

/** In the baseline's bins; what a device counted beyond them has no meaning. */
function groupOf(by: readonly string[], key: readonly string[], baseline: Baseline, counts: readonly BinCount[]): InputsGroup {
  const found = new Map(counts.map(({ of, bin, count }) => [`${of} ${bin}`, count]));
  const filled = (of: number, { counts: bins }: { counts: readonly number[] }) =>
    bins.map((_, i) => found.get(`${of} ${i + 1}`) ?? 0);
  return {
    key: Object.fromEntries(by.map((dimension, i) => [dimension, key[i] ?? ''])),
    inputs: baseline.inputs.map((histogram, i) => filled(i + 1, histogram)),
    ...(baseline.score && { score: filled(0, baseline.score) }),
  };
}
