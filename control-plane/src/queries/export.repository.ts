import type { TelemetryFilter } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppError } from '../platform/errors.js';
import type { Kind, Table } from './export-tables.js';
import { binder, listOf } from './query.repository.js';
import { conditionsOn } from './question-sql.js';

export type Cell = string | number | bigint | boolean | Date | number[] | object | null;
/** Cells in the order of the table's columns. */
export type ExportRow = Cell[];
type Span = Readonly<{ from: Date; to: Date }>;

/** So many rows are in memory at a time. */
const pageSize = 250;

/** A table read page by page, each by a statement of its own: no transaction and no lock waits for a slow reader. */
@Injectable()
export class ExportRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** `gone`: nobody wants it any more; what the database is at is cancelled. */
  async *pages(table: Table, span: Span, filter: TelemetryFilter, gone: AbortSignal): AsyncGenerator<ExportRow[]> {
    refuseWhatItHasNot(table, filter);
    const [newest] = table.id ? await this.#read(lastOf(table), gone) : [];
    for (let after: unknown[] | undefined; ;) {
      const rows: Record<string, unknown>[] = await this.#read(pageOf(table, span, filter, newest?.['last'], after), gone);
      yield rows.map((row) => table.columns.map(({ kind }, i) => cellOf(kind, row[`c${i}`])));
      if (rows.length < pageSize) return;
      after = table.order.map((_, i) => rows.at(-1)![`k${i}`]);
    }
  }

  async #read({ sql, values }: Statement, gone: AbortSignal): Promise<Record<string, unknown>[]> {
    const runner = this.db.createQueryRunner();
    let cancelled: Promise<unknown> | undefined;
    const { processID } = (await runner.connect()) as { processID: number };
    const cancel = () => {
      cancelled = this.db.query('SELECT pg_cancel_backend($1)', [processID]).catch(() => undefined);
    };
    gone.addEventListener('abort', cancel);
    try {
      gone.throwIfAborted();
      return (await runner.query(sql, values)) as Record<string, unknown>[];
    } finally {
      gone.removeEventListener('abort', cancel);
      // Else it would be the next one's statement that is cancelled.
      await cancelled;
      await runner.release();
    }
  }
}

type Statement = Readonly<{ sql: string; values: unknown[] }>;
const lastOf = ({ table }: Table): Statement => ({ sql: `SELECT coalesce(max(id), 0)::text last FROM ${table}`, values: [] });

function pageOf(
  table: Table,
  { from, to }: Span,
  filter: TelemetryFilter,
  last: unknown,
  after: unknown[] | undefined,
): Statement {
  const { values, bind } = binder();
  const { joins, conditions } = conditionsOn(table.of, filter, bind);
  const order = table.order.map(({ sql }) => sql).join(', ');
  const where = [
    // A second lower bound on the index's first column would be where each page begins to look: at the very beginning.
    after ? `(${order}) > (${after.map(bind).join(', ')})` : `${table.order[0]!.sql} >= ${bind(from)}`,
    // Nothing is received before it has ended.
    ...(table.id ? [`${table.time} >= ${bind(from)}`, `t.id <= ${bind(last)}`] : []),
    `${table.time} < ${bind(to)}`,
    ...conditions,
  ];
  const columns = [
    ...table.columns.map(({ sql, kind }, i) => `${sql}${kind === 'ints' ? '::text' : ''} c${i}`),
    ...table.order.map(({ sql }, i) => `${sql} k${i}`),
  ];
  const rows = `${table.table} t ${joins} WHERE ${where.join(' AND ')}`;
  return { sql: `SELECT ${columns.join(', ')} FROM ${rows} ORDER BY ${order} LIMIT ${pageSize}`, values };
}

/** 64 bits wide columns come as text. */
function cellOf(kind: Kind, value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (kind === 'int' && typeof value === 'string') return Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value);
  if (kind === 'ints') return listOf(value as string);
  return value as Cell;
}

function refuseWhatItHasNot({ of }: Table, filter: TelemetryFilter): void {
  const missing: Record<Table['of'], readonly (keyof TelemetryFilter)[]> = {
    device: [],
    fleet: ['device', 'group', 'selector'],
    vitals: ['slot', 'model', 'release', 'variant'],
  };
  const asked = missing[of].find((name) => filter[name] !== undefined);
  const what =
    of === 'fleet' ? 'the rollups of the fleet hold no single devices' : 'vitals are of a device, not of a slot or a release';
  if (asked) throw new AppError('INVALID_REQUEST', `${asked}: ${what}; leave it out, or export something else`);
}
