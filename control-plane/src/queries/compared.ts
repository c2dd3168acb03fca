import type { Compared, TelemetryFigures } from '@flotilla/protocol';

/** Rates of fewer inferences say next to nothing. */
const leastInferences = 100;
/** Two latencies that differ by less may lie in the same bin of their sketches. */
const sameWithin = 0.05;

type Figures = TelemetryFigures | undefined;
type Metric = Readonly<{ metric: string; unit: Compared['unit']; of: (figures: TelemetryFigures) => number | undefined }>;

const computed = ({ ok, errors }: TelemetryFigures) => ok + errors;
const share = (part: number, all: number) => (all >= leastInferences ? Number((part / all).toPrecision(6)) : undefined);
/** Of the verdicts on predictions, where there are enough. */
function rejected({ feedback, rejectedShare }: TelemetryFigures): number | undefined {
  if (!feedback) return undefined;
  return feedback.confirmed + feedback.rejected + feedback.corrected >= leastInferences ? rejectedShare : undefined;
}
const metrics: readonly Metric[] = [
  { metric: 'inferences', unit: '', of: computed },
  { metric: 'errorRate', unit: 'share', of: (its) => share(its.errors, computed(its)) },
  { metric: 'shedRate', unit: 'share', of: (its) => share(its.sheds, computed(its) + its.sheds) },
  { metric: 'restarts', unit: '', of: (its) => its.restarts },
  { metric: 'meanComputeMs', unit: 'ms', of: (its) => its.meanComputeMs },
  { metric: 'queueP95Ms', unit: 'ms', of: (its) => its.latency.queue.p95 },
  { metric: 'computeP95Ms', unit: 'ms', of: (its) => its.latency.compute.p95 },
  { metric: 'totalP50Ms', unit: 'ms', of: (its) => its.latency.total.p50 },
  { metric: 'totalP95Ms', unit: 'ms', of: (its) => its.latency.total.p95 },
  { metric: 'totalP99Ms', unit: 'ms', of: (its) => its.latency.total.p99 },
  { metric: 'maxRssBytes', unit: 'bytes', of: (its) => its.maxRssBytes },
  { metric: 'rejectedShare', unit: 'share', of: rejected },
  { metric: 'temperatureMaxC', unit: '°C', of: (its) => its.temperatureMaxC },
  { metric: 'throttledShare', unit: 'share', of: (its) => its.throttledShare },
  { metric: 'joulesPerInference', unit: 'J', of: (its) => its.joulesPerInference },
];

/** Side by side; what one of them has not is left out. */
export const compared = (a: Figures, b: Figures): Compared[] =>
  metrics.map(({ metric, unit, of }) => sideBySide(metric, unit, a && of(a), b && of(b)));

function sideBySide(metric: string, unit: Compared['unit'], a: number | undefined, b: number | undefined): Compared {
  const both = a !== undefined && b !== undefined;
  return {
    metric,
    unit,
    ...(a !== undefined && { a }),
    ...(b !== undefined && { b }),
    ...(both && { difference: Number((b - a).toPrecision(6)) }),
    ...(both && a > 0 && { ratio: Number((b / a).toPrecision(4)) }),
  };
}

/** `when`: how a sentence about `b` ends, such as "with m@2.0.0" or "afterwards". */
type Names = Readonly<{ a: string; b: string; when: string }>;

/** The same in sentences, about `b`. */
export function inWords(names: Names, rows: readonly Compared[]): string[] {
  const row = (metric: string) => rows.find((each) => each.metric === metric)!;
  const missing = (['a', 'b'] as const).filter((side) => !row('inferences')[side]);
  if (missing.length > 0) return missing.map((side) => `nothing was inferred ${names[side]}`);
  return [
    time(names.when, 'processor time of an inference', row('meanComputeMs')),
    time(names.when, 'p95 from request to result', row('totalP95Ms')),
    rate(names, 'errors', row('errorRate'), row('inferences')),
    rate(names, 'sheds', row('shedRate'), row('inferences')),
    memory(names.when, row('maxRssBytes')),
  ].filter((sentence) => sentence !== undefined);
}

function time(when: string, what: string, { a, b, ratio }: Compared): string | undefined {
  if (a === undefined || b === undefined || ratio === undefined) return undefined;
  if (Math.abs(ratio - 1) < sameWithin) return `${what}: about the same (${b} ms, ${a} ms)`;
  return `${what}: ${byHowMuch(ratio)} ${when} (${b} ms, not ${a} ms)`;
}

function rate(names: Names, what: string, { a, b }: Compared, inferences: Compared): string | undefined {
  const few = (['a', 'b'] as const).find((side) => (side === 'a' ? a : b) === undefined);
  if (few) return `${what}: ${inferences[few]} inferences ${names[few]}, and fewer than ${leastInferences} say nothing of rates`;
  return a === b ? `${what}: the same (${percent(a!)})` : `${what}: ${percent(b!)} ${names.when}, not ${percent(a!)}`;
}

function memory(when: string, { a, b, ratio }: Compared): string | undefined {
  if (a === undefined || b === undefined || ratio === undefined) return undefined;
  const text = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  if (Math.abs(ratio - 1) < sameWithin) return `most memory of a runner: about the same (${text(b)}, ${text(a)})`;
  return `most memory of a runner: ${byHowMuch(ratio)} ${when} (${text(b)}, not ${text(a)})`;
}

const byHowMuch = (ratio: number) =>
  ratio >= 2
    ? `${ratio.toPrecision(2)} times as much`
    : `${Math.round(Math.abs(ratio - 1) * 100)} % ${ratio < 1 ? 'less' : 'more'}`;
const percent = (value: number) => `${Number((value * 100).toPrecision(3))} %`;
