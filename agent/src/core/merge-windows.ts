import {
  type BaselineCounts,
  type FeedbackCounts,
  type InferenceWindow,
  mergeClasses,
  mergeSketches,
  type TelemetryRecord,
  type Vitals,
} from '@flotilla/protocol/device';

/** Two records of the same thing, end to end, as one over both times; undefined where they are not, or where it would be longer than `mostS`. */
export function mergeRecords<R extends TelemetryRecord>(a: R, b: R, mostS: number): R | undefined {
  if (keyOf(a) !== keyOf(b) || !isContiguous(a, b) || spanOf(a, b) > mostS) return undefined;
  const merged = a.type === 'window' ? mergeWindows(a, b as InferenceWindow) : mergeVitals(a, b as Vitals);
  return merged as R;
}

/** Records of one key speak of the same thing. */
export const keyOf = (record: TelemetryRecord): string =>
  record.type === 'vitals'
    ? `vitals ${record.boot}`
    : [
        'window',
        record.boot,
        record.slot,
        record.deployment,
        record.digest,
        record.variant,
        ...Object.keys(record.slow).toSorted(),
        // Of a sum that holds for a part of the time only, nobody could say a share.
        ...boardKeys.filter((key) => record[key] !== undefined),
        ...binsOf(record.baseline),
      ].join(' ');
const boardKeys = ['temperatureMaxC', 'throttledMs', 'energyJ'] as const;

/** How many bins there are of what: only like is added to like. */
const binsOf = (counts: BaselineCounts | undefined): string[] =>
  counts ? ['baseline', ...counts.inputs.map(({ length }) => String(length)), `score ${counts.score?.length ?? 'none'}`] : [];

type Span = { start: number; end: number };
const spanOf = (a: Span, b: Span) => Math.max(a.end, b.end) - Math.min(a.start, b.start);

/** A gap of more than the shorter of the two means that something is missing between them, which a merge would hide. */
function isContiguous(a: Span, b: Span): boolean {
  const [first, second] = a.start <= b.start ? [a, b] : [b, a];
  return second.start - first.end <= Math.min(first.end - first.start, second.end - second.start);
}

/** Counts and sketches add up, so that the result is the same in whichever order; `mergeClasses` says what `classes` may lack after it. */
function mergeWindows(a: InferenceWindow, b: InferenceWindow): InferenceWindow {
  const slow = Object.fromEntries(Object.keys(a.slow).map((name) => [name, a.slow[name]! + b.slow[name]!]));
  return {
    ...a,
    start: Math.min(a.start, b.start),
    end: Math.max(a.end, b.end),
    ok: a.ok + b.ok,
    errors: a.errors + b.errors,
    sheds: a.sheds + b.sheds,
    computeCpuUs: a.computeCpuUs + b.computeCpuUs,
    queue: mergeSketches([a.queue, b.queue]),
    compute: mergeSketches([a.compute, b.compute]),
    total: mergeSketches([a.total, b.total]),
    slow,
    ...mergeClasses([a, b]),
    scores: added(a.scores, b.scores),
    queueDepthMax: Math.max(a.queueDepthMax, b.queueDepthMax),
    ...withValue('rssBytes', most(a.rssBytes, b.rssBytes)),
    ...withValue('restarts', sum(a.restarts, b.restarts)),
    ...withValue('feedback', mergeFeedback(a.feedback, b.feedback)),
    ...withValue('temperatureMaxC', most(a.temperatureMaxC, b.temperatureMaxC)),
    ...withValue('throttledMs', sum(a.throttledMs, b.throttledMs)),
    ...withValue('energyJ', sum(a.energyJ, b.energyJ)),
    ...withValue('baseline', a.baseline && b.baseline && mergeBaselines(a.baseline, b.baseline)),
  };
}

function mergeFeedback(a: FeedbackCounts | undefined, b: FeedbackCounts | undefined): FeedbackCounts | undefined {
  if (!a || !b) return a ?? b;
  return {
    confirmed: a.confirmed + b.confirmed,
    rejected: a.rejected + b.rejected,
    corrected: a.corrected + b.corrected,
  };
}

const added = (a: readonly number[], b: readonly number[]) => a.map((count, i) => count + b[i]!);

/** Both in the same bins, as their keys are the same. */
const mergeBaselines = (a: BaselineCounts, b: BaselineCounts): BaselineCounts => ({
  inputs: a.inputs.map((counts, i) => added(counts, b.inputs[i]!)),
  ...withValue('score', a.score && b.score && added(a.score, b.score)),
});

/** What is a mean stays one, weighted by time; of what is to be feared the worst counts. */
function mergeVitals(a: Vitals, b: Vitals): Vitals {
  const later = a.end >= b.end ? a : b;
  const mean = (x: number | undefined, y: number | undefined) => meanOf([x, a.end - a.start], [y, b.end - b.start]);
  return {
    ...later,
    start: Math.min(a.start, b.start),
    end: Math.max(a.end, b.end),
    cpu: mean(a.cpu, b.cpu)!,
    memoryUsedBytes: Math.max(a.memoryUsedBytes, b.memoryUsedBytes),
    supervisorRssBytes: Math.max(a.supervisorRssBytes, b.supervisorRssBytes),
    ...withValue('runnerRssBytes', most(a.runnerRssBytes, b.runnerRssBytes)),
    ...withValue('temperatureC', most(a.temperatureC, b.temperatureC)),
    ...withValue('throttled', a.throttled === undefined ? b.throttled : a.throttled || b.throttled === true),
    ...withValue('powerW', mean(a.powerW, b.powerW)),
    ...withValue('gpu', mean(a.gpu, b.gpu)),
    ...withValue('gpuMHz', mean(a.gpuMHz, b.gpuMHz)),
  };
}

const most = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? (a ?? b) : Math.max(a, b));
const sum = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? (a ?? b) : a + b);

type Weighted = [value: number | undefined, weight: number];
function meanOf([a, m]: Weighted, [b, n]: Weighted): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return m + n > 0 ? (a * m + b * n) / (m + n) : Math.max(a, b);
}

const withValue = <K extends string, V>(key: K, value: V | undefined) =>
  value === undefined ? {} : ({ [key]: value } as Record<K, V>);
