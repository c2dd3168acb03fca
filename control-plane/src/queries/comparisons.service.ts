import { type CompareQuery, TelemetryFilter, type TelemetryComparison, type TelemetryLevel } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '../platform/errors.js';
import { compared, inWords } from './compared.js';
import { order } from './levels.js';
import { type Found, QueriesService, readOf, type Span } from './queries.service.js';

/** Two releases, groups, devices … beside each other. */
@Injectable()
export class ComparisonsService {
  constructor(@Inject(QueriesService) private readonly queries: QueriesService) {}

  async compare({ of, a, b, since, until, level, ...filter }: CompareQuery): Promise<TelemetryComparison> {
    const span = this.queries.span({ since, until });
    const side = (value: string, from: TelemetryLevel | undefined) => this.#whole(narrowed(filter, of, value), span, from);
    let [its, other] = [await side(a, level), await side(b, level)];
    // Both from the same level, or the spans differ.
    const coarser = order[Math.max(order.indexOf(its.level), order.indexOf(other.level))]!;
    if (its.level !== coarser) its = await side(a, coarser);
    if (other.level !== coarser) other = await side(b, coarser);
    const metrics = compared(its.groups[0]?.figures, other.groups[0]?.figures);
    return { ...readOf(its), of, a, b, metrics, words: inWords({ a: `with ${a}`, b: `with ${b}`, when: `with ${b}` }, metrics) };
  }

  #whole(filter: TelemetryFilter, span: Span, level: TelemetryLevel | undefined): Promise<Found> {
    return this.queries.find({ by: [], filter, span, level, order: 'inferences', limit: 1 });
  }
}

/** Labels are asked for by a selector, all else by the filter of that name. */
function narrowed(filter: TelemetryFilter, of: string, value: string): TelemetryFilter {
  if (of.startsWith('label:')) {
    const term = `"${of.slice('label:'.length)}"="${value}"`;
    return { ...filter, selector: filter.selector ? `${filter.selector},${term}` : term };
  }
  const read = TelemetryFilter.safeParse({ ...filter, [of]: value });
  if (read.success) return read.data;
  throw new AppError('INVALID_REQUEST', `"${value}" is no ${of}: ${read.error.issues[0]!.message}`);
}
