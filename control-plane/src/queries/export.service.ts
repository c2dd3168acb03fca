import type { ExportQuery } from '@flotilla/protocol';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Readable } from 'node:stream';
import { AppError } from '../platform/errors.js';
import { attended } from './attended.js';
import { csv, type Format, parquet } from './export-formats.js';
import { exportTables } from './export-tables.js';
import { ExportRepository } from './export.repository.js';
import { QueriesService } from './queries.service.js';

type Table = Omit<ExportQuery, 'format'>;
export type Export = Readonly<{ body: Readable; type: string; name: string }>;

const formats: Readonly<Record<ExportQuery['format'], { type: string; write: Format }>> = {
  csv: { type: 'text/csv; charset=utf-8', write: csv },
  parquet: { type: 'application/vnd.apache.parquet', write: parquet },
};
/** Each holds a page or two in memory, and a row group of a Parquet file. */
const mostAtOnce = 4;
/** Somebody may leaf through it. */
const takesWithinMs = 300_000;

/** Tables to take away, made while they are sent. */
@Injectable()
export class ExportService implements OnModuleDestroy {
  readonly #running = new Set<AbortController>();

  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(ExportRepository) private readonly rows: ExportRepository,
  ) {}

  /** What can be refused is refused before the first byte. `gone`: whoever asked has left. */
  async open({ format, ...query }: ExportQuery, gone: AbortSignal): Promise<Export> {
    if (this.#running.size >= mostAtOnce)
      throw new AppError('TOO_MANY_REQUESTS', `${mostAtOnce} exports are under way already: ask again later`);
    const stopped = new AbortController();
    this.#running.add(stopped);
    const over = () => void this.#running.delete(stopped);
    try {
      const { type, write } = formats[format];
      const body = await this.#body(query, write, stopped, AbortSignal.any([gone, stopped.signal]));
      body.once('close', over);
      return { body, type, name: `${query.of}.${format}` };
    } catch (error) {
      over();
      throw gone.aborted ? new AppError('INVALID_REQUEST', 'whoever asked for the export has left', { cause: error }) : error;
    }
  }

  onModuleDestroy(): void {
    for (const running of this.#running) running.abort();
  }

  async #body(
    { of, since, until, ...filter }: Table,
    write: Format,
    stopped: AbortController,
    signal: AbortSignal,
  ): Promise<Readable> {
    const { from, to } = this.queries.span({ since, until });
    const table = exportTables[of];
    const pages = this.rows.pages(table, { from: new Date(from), to: new Date(to) }, filter, signal);
    const first = await pages.next();
    const given = attended(write(table.columns, whole(first, pages)), takesWithinMs, () => stopped.abort());
    return Readable.from(given, { objectMode: false, highWaterMark: 1, signal });
  }
}

async function* whole<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncGenerator<T> {
  if (!first.done) yield first.value;
  yield* rest;
}
