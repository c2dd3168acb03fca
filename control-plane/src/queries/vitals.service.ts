import type { VitalsAnswer, VitalsFigures, VitalsQuery } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '../platform/errors.js';
import { lengthMs } from './levels.js';
import { QueriesService, readOf, refuseTooMany } from './queries.service.js';
import { VitalsRepository, type VitalsTotals } from './vitals.repository.js';

const ofReleases = new Set(['release', 'variant', 'slot']);

/** What boards felt. */
@Injectable()
export class VitalsService {
  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(VitalsRepository) private readonly rows: VitalsRepository,
  ) {}

  answer({ by, since, until, step, level, order, limit, ...filter }: VitalsQuery): Promise<VitalsAnswer> {
    const foreign = by.find((dimension) => ofReleases.has(dimension));
    if (foreign)
      throw new AppError(
        'INVALID_REQUEST',
        `by: vitals are of a device, not of a ${foreign}: choose device, group, hardwareClass or label:`,
      );
    const span = this.queries.span({ since, until });
    const asked = { by, filter, step, span, level, of: 'vitals', watermark: 'vitals' } as const;
    return this.queries.readingContents(asked, async (tx, read) => {
      const { plan } = read;
      const totals = await this.rows.totals(tx, read, { order, limit });
      if (step) refuseTooMany(totals.length, (plan.to - plan.from) / lengthMs[step]);
      const keys = totals.map(({ key }) => key);
      const groups = step && keys.length > 0 ? await this.rows.buckets(tx, read, keys) : totals;
      return {
        ...readOf({ span: plan, level: plan.level }),
        asOf: read.asOf.toISOString(),
        items: groups.map(({ key, at, ...its }) => ({
          key: Object.fromEntries(by.map((dimension, i) => [dimension, key[i] ?? ''])),
          ...(at && { at: at.toISOString() }),
          ...figuresOf(its),
        })),
      };
    });
  }
}

type Figures = Omit<VitalsTotals, 'key' | 'at'>;

function figuresOf({ devices, samples, ...its }: Figures): VitalsFigures {
  const { cpuMean, cpuMax, memoryUsedMaxBytes, outboxRecordsMax, outboxBytesMax, outboxDroppedMax, ...sensed } = its;
  const known = Object.entries(sensed).flatMap(([name, value]) => (value === null ? [] : [[name, rounded(name, value)]]));
  return {
    devices,
    samples,
    cpuMean: rounded('cpuMean', cpuMean ?? 0),
    cpuMax: rounded('cpuMax', cpuMax ?? 0),
    memoryUsedMaxBytes: memoryUsedMaxBytes ?? 0,
    ...Object.fromEntries(known),
    outboxRecordsMax: outboxRecordsMax ?? 0,
    outboxBytesMax: outboxBytesMax ?? 0,
    outboxDroppedMax: outboxDroppedMax ?? 0,
  };
}

/** Bytes are whole; sensors are right to four digits at the most. */
const rounded = (name: string, value: number) => (name.endsWith('Bytes') ? value : Number(value.toPrecision(4)));
