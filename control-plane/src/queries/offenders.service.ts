import type { Offenders, OffendersQuery } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { OffendersRepository, type OffenderRow } from './offenders.repository.js';
import { QueriesService, readOf } from './queries.service.js';

const units = { errorRate: 'share', latency: 'ms', compute: 'ms', sheds: 'share', restarts: '', temperature: '°C' } as const;

/** Which devices stand out. */
@Injectable()
export class OffendersService {
  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(OffendersRepository) private readonly offenders: OffendersRepository,
  ) {}

  async worst(query: OffendersQuery): Promise<Offenders> {
    const { by, least: _least, limit: _limit, since, until, ...filter } = query;
    const span = this.queries.span({ since, until });
    return this.queries.reading({ by: ['device'], filter, span }, async (tx, read) => {
      const rows = await this.offenders.worst(tx, read, query);
      const { devices = 0, median } = rows[0] ?? {};
      return {
        ...readOf({ span: read.plan, level: read.plan.level }),
        by,
        unit: units[by],
        devices,
        ...(median !== undefined && { median: rounded(median) }),
        items: rows.map(itemOf),
      };
    });
  }
}

const itemOf = ({ device, value, median, inferences, hardwareClass }: OffenderRow) => ({
  device,
  value: rounded(value),
  ...(median > 0 && { ratioToMedian: Number((value / median).toPrecision(3)) }),
  inferences,
  hardwareClass,
});
const rounded = (value: number) => Number(value.toPrecision(4));
