import type { LoadResult } from './loops.js';
import { quantile } from './statistics.js';

type Window = ReadonlyMap<string, LoadResult>;
type Row = { steadyMs: number[]; duringMs: number[]; moved: number; failures: Map<string, number> };

/** What became of the requests, by transport; those on a stream are told apart, for a stream ends with its runner. */
export class SwapTally {
  readonly #rows = new Map<string, Row>();

  steady(window: Window): void {
    for (const [via, result] of window) this.#count(via, result).steadyMs.push(...result.timesMs);
  }

  during(window: Window): void {
    for (const [via, result] of window) this.#count(via, result).duringMs.push(...result.timesMs);
  }

  /** A request that was refused for want of time or room counts: at half capacity there is both. */
  get failed(): number {
    return this.#unary().reduce((sum, { failures }) => sum + total(failures), 0);
  }

  get p99Ratio(): number {
    const rows = this.#unary();
    const p99 = (pick: (row: Row) => number[]) => quantile(rows.flatMap(pick), 0.99);
    return p99(({ duringMs }) => duringMs) / p99(({ steadyMs }) => steadyMs);
  }

  report(log: (line: string) => void): void {
    for (const [via, { steadyMs, duringMs, moved, failures }] of this.#rows) {
      const p99 = (times: number[]) => `${quantile(times, 0.99).toFixed(1)} ms`;
      log(
        `  ${via.padEnd(7)} ${steadyMs.length + duringMs.length} answered, p99 ${p99(steadyMs)} steady and ${p99(duringMs)} in swaps, ` +
          `${total(failures)} failed${moved > 0 ? `, ${moved} sent on to the next runner` : ''}`,
      );
      for (const [reason, count] of failures) log(`    ${count} × ${reason}`);
    }
  }

  #unary(): Row[] {
    return [...this.#rows].flatMap(([via, row]) => (via === 'stream' ? [] : [row]));
  }

  #count(via: string, { shed, moved, failures }: LoadResult): Row {
    const row = this.#rows.get(via) ?? { steadyMs: [], duringMs: [], moved: 0, failures: new Map<string, number>() };
    this.#rows.set(via, row);
    row.moved += moved;
    const add = (reason: string, count: number) => count > 0 && row.failures.set(reason, (row.failures.get(reason) ?? 0) + count);
    for (const { reason, count } of failures) add(reason, count);
    add('refused for want of time or room', shed);
    return row;
  }
}

const total = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);
