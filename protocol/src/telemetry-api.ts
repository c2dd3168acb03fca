import { z } from 'zod';
import { Duration } from './duration.js';
import { FeedbackCounts } from './records.js';
import { DeviceId, GroupName, ModelName, ReleaseName, SlotName } from './ids.js';

/** What telemetry is told apart by. `label:site`: the value of that label; `group`: a device counts in each that it belongs to. */
export const TelemetryDimension = z
  .string()
  .regex(
    /^(release|variant|hardwareClass|slot|device|group|label:[^:,]{1,64})$/,
    'must be release, variant, hardwareClass, slot, device, group, or label: with its name, such as label:site',
  );
const isMoment = (text: string) => /^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text));
/** So long ago (`90s`, `7d`), or a moment; parsed to seconds before now, or to the moment. */
export const Ago = z.string().transform((text, context): number | Date => {
  if (isMoment(text)) return new Date(text);
  const duration = Duration.safeParse(text);
  if (duration.success) return duration.data;
  context.addIssue('must be a duration such as 90s, 10m, 2h or 7d, or a moment such as 2026-11-27T06:00:00Z');
  return z.NEVER;
});
/** Query strings hold text only; `Duration` checks it. */
export const DurationText = z
  .string()
  .transform((text) => text as z.input<typeof Duration>)
  .pipe(Duration);

/** How finely it is kept: windows as they came, or what they say together by minute, hour or day (UTC). */
export const TelemetryLevel = z.enum(['raw', 'minute', 'hour', 'day']);
export type TelemetryLevel = z.infer<typeof TelemetryLevel>;

/** Windows that ended between `since` and `until`, of what these name. */
export const TelemetrySpan = z.object({ since: Ago.default(3600), until: Ago.default(0) });
export const TelemetryFilter = z.object({
  slot: SlotName.optional(),
  model: ModelName.optional(),
  release: ReleaseName.optional(),
  variant: z.string().max(256).optional(),
  hardwareClass: z.string().max(256).optional(),
  device: DeviceId.optional(),
  group: GroupName.optional(),
  selector: z.string().max(1000).optional(),
});
export type TelemetryFilter = z.infer<typeof TelemetryFilter>;

/** What windows say, by one or two dimensions; with `step`, in buckets of that length. */
export const TelemetryQuery = TelemetrySpan.extend({
  ...TelemetryFilter.shape,
  by: z
    .string()
    .default('release')
    .transform((text) => text.split(','))
    .pipe(z.array(TelemetryDimension).min(1).max(2)),
  step: TelemetryLevel.exclude(['raw']).optional(),
  /** Absent: the finest that answers in time. */
  level: TelemetryLevel.optional(),
  /** The most of it first. `errorRate` and `compute` (processor time of an inference) of those with at least 100 inferences. */
  order: z.enum(['inferences', 'errors', 'errorRate', 'sheds', 'compute', 'restarts']).default('inferences'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
export type TelemetryQuery = z.infer<typeof TelemetryQuery>;

const Quantiles = z
  .object({ p50: z.number(), p95: z.number(), p99: z.number() })
  .partial()
  .meta({ id: 'TelemetryQuantiles', description: 'Milliseconds, from merged sketches: right to 2.5 %' });
/** What was measured, put together. */
export const TelemetryFigures = z.object({
  /** Absent where the level has no devices: that of releases, variants, hardware classes and sites. */
  devices: z.int().optional(),
  windows: z.int(),
  ok: z.int(),
  errors: z.int(),
  sheds: z.int(),
  restarts: z.int(),
  /** Of those that were computed. */
  errorRate: z.number().optional(),
  /** Processor time of an inference, milliseconds. */
  meanComputeMs: z.number().optional(),
  latency: z.object({ queue: Quantiles, compute: Quantiles, total: Quantiles }),
  /** Most resident memory of a runner at the end of a window. */
  maxRssBytes: z.int().optional(),
  /** Verdicts that were given on predictions of what answered; absent: none. `rejectedShare`: of them, those that say wrong. */
  feedback: FeedbackCounts.optional(),
  rejectedShare: z.number().optional(),
  /** The hottest that a board was, and the share of the time in which it was held back; absent where no sensor told. */
  temperatureMaxC: z.number().optional(),
  throttledShare: z.number().optional(),
  /** What boards with a power sensor drew, idle or not, and that divided by their inferences. */
  energyJ: z.number().optional(),
  joulesPerInference: z.number().optional(),
});
export type TelemetryFigures = z.infer<typeof TelemetryFigures>;
/** Windows of one combination of values, put together. */
export const TelemetryGroup = TelemetryFigures.extend({
  /** By dimension; empty where a device has no such label. */
  key: z.record(z.string(), z.string()),
  /** Where the bucket begins, with `step`. */
  at: z.iso.datetime().optional(),
}).meta({ id: 'TelemetryGroup' });
export type TelemetryGroup = z.infer<typeof TelemetryGroup>;
/** The span as it was read: to the beginnings and ends of what `level` keeps. */
const Read = { since: z.iso.datetime(), until: z.iso.datetime(), level: TelemetryLevel };
export const TelemetryAnswer = z.object({ ...Read, items: z.array(TelemetryGroup) }).meta({ id: 'TelemetryAnswer' });
export type TelemetryAnswer = z.infer<typeof TelemetryAnswer>;

/** Two values of one dimension, side by side. */
export const CompareQuery = TelemetrySpan.extend({
  ...TelemetryFilter.shape,
  of: TelemetryDimension.default('release'),
  a: z.string().min(1).max(256),
  b: z.string().min(1).max(256),
  level: TelemetryLevel.optional(),
});
export type CompareQuery = z.infer<typeof CompareQuery>;
export const Compared = z
  .object({
    metric: z.string(),
    unit: z.enum(['', 'ms', 'bytes', 'share', '°C', 'J']),
    /** Absent where nothing was measured, or too little to say. */
    a: z.number().optional(),
    b: z.number().optional(),
    difference: z.number().optional(),
    /** b to a. */
    ratio: z.number().optional(),
  })
  .meta({ id: 'Compared' });
export type Compared = z.infer<typeof Compared>;
export const TelemetryComparison = z
  .object({ ...Read, of: z.string(), a: z.string(), b: z.string(), metrics: z.array(Compared), words: z.array(z.string()) })
  .meta({ id: 'TelemetryComparison' });
export type TelemetryComparison = z.infer<typeof TelemetryComparison>;

/** Devices that stand out: the worst first. */
export const OffendersQuery = TelemetrySpan.extend({
  ...TelemetryFilter.shape,
  by: z.enum(['errorRate', 'latency', 'compute', 'sheds', 'restarts', 'temperature']).default('errorRate'),
  /** Devices with fewer inferences are left out. */
  least: z.coerce.number().int().min(1).max(1e9).default(100),
  limit: z.coerce.number().int().min(1).max(500).default(20),
});
export type OffendersQuery = z.infer<typeof OffendersQuery>;
export const Offender = z
  .object({
    device: z.string(),
    value: z.number(),
    /** To the median of all that were looked at; absent where that is 0. */
    ratioToMedian: z.number().optional(),
    inferences: z.int(),
    hardwareClass: z.string(),
  })
  .meta({ id: 'Offender' });
export const Offenders = z
  .object({
    ...Read,
    by: z.string(),
    unit: z.enum(['', 'ms', 'share', '°C']),
    /** How many devices had enough to be looked at, and their median. */
    devices: z.int(),
    median: z.number().optional(),
    items: z.array(Offender),
  })
  .meta({ id: 'Offenders' });
export type Offenders = z.infer<typeof Offenders>;

/** What happened around a moment, beside what was measured before and after it. */
export const ChangesQuery = z.object({
  at: Ago,
  around: DurationText.default(1800),
  ...TelemetryFilter.shape,
});
export type ChangesQuery = z.infer<typeof ChangesQuery>;
const Happening = z
  .object({ at: z.iso.datetime(), kind: z.string(), actor: z.string(), device: z.string().optional(), message: z.string() })
  .meta({ id: 'Happening' });
/** Many of one kind are counted: the first and last, and what one of them says. */
const HappeningCount = z
  .object({
    kind: z.string(),
    count: z.int(),
    devices: z.int(),
    first: z.iso.datetime(),
    last: z.iso.datetime(),
    example: z.string(),
  })
  .meta({ id: 'HappeningCount' });
const Side = z.object({ since: z.iso.datetime(), until: z.iso.datetime(), level: TelemetryLevel });
export const TelemetryChanges = z
  .object({
    at: z.iso.datetime(),
    before: Side,
    after: Side,
    metrics: z.array(Compared),
    words: z.array(z.string()),
    /** Which releases did the inferences, the most first. */
    releases: z.array(z.object({ release: z.string(), before: z.int(), after: z.int() })),
    kinds: z.array(HappeningCount),
    /** The newest first, but for what every device tells of its updates and connections: that is in `kinds`. */
    events: z.array(Happening),
  })
  .meta({ id: 'TelemetryChanges' });
export type TelemetryChanges = z.infer<typeof TelemetryChanges>;

/** Windows as they are stored. `last`: so many of the last day's are told first. */
export const TailQuery = TelemetryFilter.extend({
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  last: z.coerce.number().int().min(0).max(1000).default(0),
});
export type TailQuery = z.infer<typeof TailQuery>;
export const TailedWindow = z
  .object({
    id: z.int(),
    device: z.string(),
    slot: z.string(),
    release: z.string(),
    variant: z.string(),
    startedAt: z.iso.datetime(),
    endedAt: z.iso.datetime(),
    receivedAt: z.iso.datetime(),
    ok: z.int(),
    errors: z.int(),
    sheds: z.int(),
    restarts: z.int().optional(),
    meanComputeMs: z.number().optional(),
    /** From request to result. */
    p95Ms: z.number().optional(),
  })
  .meta({ id: 'TailedWindow' });
export type TailedWindow = z.infer<typeof TailedWindow>;

/** What can be taken away as a table. */
export const ExportSource = z.enum([
  'windows',
  'vitals',
  'device-hours',
  'device-days',
  'fleet-minutes',
  'fleet-hours',
  'fleet-days',
]);
export type ExportSource = z.infer<typeof ExportSource>;
export const ExportQuery = TelemetrySpan.extend({
  ...TelemetryFilter.shape,
  of: ExportSource.default('windows'),
  format: z.enum(['csv', 'parquet']).default('csv'),
});
export type ExportQuery = z.infer<typeof ExportQuery>;
