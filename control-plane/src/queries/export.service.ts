import type { ExportQuery } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { Readable } from 'node:stream';
import { AppError } from '../platform/errors.js';
import { csv, type Format, parquet } from './export-formats.js';
import { exportTables } from './export-tables.js';
import { ExportRepository } from './export.repository.js';
import { QueriesService } from './queries.service.js';

const formats: Readonly<Record<ExportQuery['format'], { type: string; write: Format }>> = {
  csv: { type: 'text/csv; charset=utf-8', write: csv },
  parquet: { type: 'application/vnd.apache.parquet', write: parquet },
};
/** Each holds a page or two in memory. */
const mostAtOnce = 4;

/** Tables to take away, made while they are sent. */
@Injectable()
export class ExportService {
  #running = 0;

  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(ExportRepository) private readonly rows: ExportRepository,
  ) {}

  /** What can be refused is refused before the first byte. */
  async open({ of, format, since, until, ...filter }: ExportQuery): Promise<{ body: Readable; type: string; name: string }> {
    const { from, to } = this.queries.span({ since, until });
    if (this.#running >= mostAtOnce)
      throw new AppError('TOO_MANY_REQUESTS', `${mostAtOnce} exports are under way already: ask again later`);
    const table = exportTables[of];
    const pages = this.rows.pages(table, { from: new Date(from), to: new Date(to) }, filter);
    const first = await pages.next();
    const { type, write } = formats[format];
    this.#running += 1;
    const body = Readable.from(write(table.columns, whole(first, pages)), { objectMode: false, highWaterMark: 1 });
    body.once('close', () => (this.#running -= 1));
    return { body, type, name: `${of}.${format}` };
  }
}

async function* whole<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncGenerator<T> {
  if (!first.done) yield first.value;
  yield* rest;
}
