import { z } from 'zod';
import { Baseline, BaselineCounts } from './baseline.js';
import { ReleaseName } from './ids.js';
import { TelemetryDimension, TelemetryFilter, TelemetryLevel, TelemetrySpan } from './telemetry-api.js';

const dimensions = (otherwise: string) =>
  z
    .string()
    .default(otherwise)
    .transform((text) => text.split(','))
    .pipe(z.array(TelemetryDimension).min(1).max(2));
const limit = z.coerce.number().int().min(1).max(500).default(50);
const step = TelemetryLevel.exclude(['raw']).optional();
/** Kept as it came, and by device in hours and days. */
const level = TelemetryLevel.exclude(['minute']).optional();
/** All that was stored by then is in the answer. */
const asOf = z.iso.datetime();
const key = z.record(z.string(), z.string());
const share = z.number().min(0).max(1);
const Read = { since: z.iso.datetime(), until: z.iso.datetime(), level: TelemetryLevel };

/** Which classes models answered with, by one or two dimensions. */
export const ClassesQuery = TelemetrySpan.extend({
  ...TelemetryFilter.shape,
  by: dimensions('release'),
  /** Absent: the finest that answers in time. */
  level,
  /** Only this class. */
  class: z.string().max(128).optional(),
  /** So many classes of each group, the most frequent first. */
  top: z.coerce.number().int().min(1).max(1000).default(10),
  limit,
});
export type ClassesQuery = z.infer<typeof ClassesQuery>;
export const ClassShare = z
  .object({
    class: z.string(),
    /** At least so often, and so much of all that had a class. */
    count: z.int(),
    share,
    /** At most so much: the difference is what windows of more than 32 classes, and rollups of more than 256, left out. */
    shareAtMost: share,
  })
  .meta({ id: 'ClassShare' });
export const ClassesGroup = z
  .object({
    /** By dimension; empty where a device has no such label. */
    key,
    /** Inferences that had a class. */
    classified: z.int(),
    classes: z.array(ClassShare),
    /** Of how many classes these are the most frequent ones, and what all others have together. */
    distinct: z.int(),
    otherShare: share,
    /** First scores in ten equal bins from 0 to 1, and their mean, right to 0.05; absent where models give none. */
    scores: z.array(z.int()).length(10).optional(),
    meanScore: share.optional(),
  })
  .meta({ id: 'ClassesGroup' });
export type ClassesGroup = z.infer<typeof ClassesGroup>;
export const ClassesAnswer = z.object({ ...Read, asOf, items: z.array(ClassesGroup) }).meta({ id: 'ClassesAnswer' });
export type ClassesAnswer = z.infer<typeof ClassesAnswer>;

/** What inputs of a release looked like, in the bins of its baseline. */
export const InputsQuery = TelemetrySpan.extend({
  ...TelemetryFilter.omit({ model: true }).shape,
  release: ReleaseName,
  by: dimensions('release'),
  level,
  limit: z.coerce.number().int().min(1).max(500).default(20),
});
export type InputsQuery = z.infer<typeof InputsQuery>;
export const InputsGroup = BaselineCounts.extend({ key }).meta({
  id: 'InputsGroup',
  description: 'What was counted, in the order and the bins of the baseline',
});
export type InputsGroup = z.infer<typeof InputsGroup>;
export const InputsAnswer = z
  .object({
    ...Read,
    asOf,
    release: ReleaseName,
    baseline: Baseline.omit({ classes: true, otherClasses: true }),
    items: z.array(InputsGroup),
  })
  .meta({ id: 'InputsAnswer' });
export type InputsAnswer = z.infer<typeof InputsAnswer>;

/** What boards felt, by one or two dimensions; with `step`, in buckets of that length. */
export const VitalsQuery = TelemetrySpan.extend({
  ...TelemetryFilter.pick({ device: true, group: true, selector: true, hardwareClass: true }).shape,
  by: dimensions('device'),
  step,
  /** Absent: the finest that answers in time. */
  level,
  /** The most of it first. */
  order: z.enum(['temperature', 'cpu', 'memory', 'throttled', 'power', 'gpu', 'outbox', 'drops']).default('temperature'),
  limit,
});
export type VitalsQuery = z.infer<typeof VitalsQuery>;
/** Absent: no board has such a sensor, or none told. */
export const VitalsFigures = z.object({
  devices: z.int(),
  samples: z.int(),
  /** Share of all cores. */
  cpuMean: z.number(),
  cpuMax: z.number(),
  memoryUsedMaxBytes: z.int(),
  /** Of each board's own memory, the greatest. */
  memoryShareMax: z.number().optional(),
  supervisorRssMaxBytes: z.int().optional(),
  runnerRssMaxBytes: z.int().optional(),
  temperatureMeanC: z.number().optional(),
  temperatureMinC: z.number().optional(),
  temperatureMaxC: z.number().optional(),
  /** Share of the samples in which a board was held back. */
  throttledShare: z.number().optional(),
  powerMeanW: z.number().optional(),
  powerMaxW: z.number().optional(),
  gpuMean: z.number().optional(),
  /** What waited in one outbox at the most, and what one had dropped by then. */
  outboxRecordsMax: z.int(),
  outboxBytesMax: z.int(),
  outboxDroppedMax: z.int(),
});
export type VitalsFigures = z.infer<typeof VitalsFigures>;
export const VitalsGroup = VitalsFigures.extend({ key, at: z.iso.datetime().optional() }).meta({ id: 'VitalsGroup' });
export type VitalsGroup = z.infer<typeof VitalsGroup>;
export const VitalsAnswer = z.object({ ...Read, asOf, items: z.array(VitalsGroup) }).meta({ id: 'VitalsAnswer' });
export type VitalsAnswer = z.infer<typeof VitalsAnswer>;
