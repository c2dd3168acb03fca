import { z } from 'zod';
import { BaselineCounts } from './baseline.js';
import { ConfigurationReport } from './configuration.js';
import { BootId, DeploymentId, Digest, SlotName, StreamId } from './ids.js';
import { Sketch } from './sketch.js';
import { FailureClass, UpdateState } from './update.js';

const count = z
  .int()
  .min(0)
  .max(2 ** 40);
const seconds = z.number().min(0).max(1e10);

/** Where on the device's own clock a record belongs: the supervisor's boot and its uptime in seconds. */
const clock = { boot: BootId };

/**
 * Verdicts on predictions of the window's deployment that were given during the window, whenever the predictions were made. One that
 * was changed counts again.
 */
export const FeedbackCounts = z.object({ confirmed: count, rejected: count, corrected: count }).meta({ id: 'FeedbackCounts' });
export type FeedbackCounts = z.infer<typeof FeedbackCounts>;

const celsius = z.number().min(-100).max(250);
/** What the board went through during a window. Absent means: it has no such sensor. */
const board = {
  temperatureMaxC: celsius.optional(),
  /** How long it was held back by heat or by a weak supply, milliseconds. */
  throttledMs: count.optional(),
  /** What the whole board drew, divided by the slots that served, joules. */
  energyJ: z.number().min(0).max(1e9).optional(),
};

/** What one slot did in one window, for one deployment; cut at a swap. */
export const InferenceWindow = z
  .object({
    type: z.literal('window'),
    ...clock,
    slot: SlotName,
    deployment: DeploymentId,
    digest: Digest,
    variant: z.string().max(256),
    /** Uptime at the window's start and end. */
    start: seconds,
    end: seconds,
    /** Counts by outcome. */
    ok: count,
    errors: count,
    sheds: count,
    /** Sum of compute CPU time over the `ok` inferences, microseconds. */
    computeCpuUs: count,
    /** Wall time in the queue, in the engine, and from request to result. */
    queue: Sketch,
    compute: Sketch,
    total: Sketch,
    /** Inferences slower than each limit that the desired state names. */
    slow: z.record(z.string().max(64), count),
    /** At least so often, of at most 32; the rest, and what may be missing there, in `otherClasses`: see `mergeClasses`. */
    classes: z.record(z.string().max(128), count).refine((c) => Object.keys(c).length <= 32, 'at most 32 classes'),
    otherClasses: count,
    /** Top-1 scores in ten equal bins over [0, 1]. */
    scores: z.array(count).length(10),
    queueDepthMax: count,
    /** Resident memory of the runner at the window's end. */
    rssBytes: count.optional(),
    /** How often the runner had to be started anew since the window before; absent for never. */
    restarts: count.optional(),
    /** Absent: nobody said anything. */
    feedback: FeedbackCounts.optional(),
    ...board,
    /** In the bins of the release's baseline; absent where it has none. */
    baseline: BaselineCounts.optional(),
  })
  .meta({ id: 'InferenceWindow' });
export type InferenceWindow = z.infer<typeof InferenceWindow>;

/** What the machine felt like in one window. Absent means: this board has no such sensor. */
export const Vitals = z
  .object({
    type: z.literal('vitals'),
    ...clock,
    start: seconds,
    end: seconds,
    /** Share of all cores that was busy, 0 to 1. */
    cpu: z.number().min(0).max(1),
    memoryUsedBytes: count,
    memoryTotalBytes: count,
    supervisorRssBytes: count,
    runnerRssBytes: count.optional(),
    temperatureC: celsius.optional(),
    throttled: z.boolean().optional(),
    powerW: z.number().min(0).max(10_000).optional(),
    /** Share of the time that the GPU was busy, 0 to 1, and its clock. */
    gpu: z.number().min(0).max(1).optional(),
    gpuMHz: z.number().min(0).max(100_000).optional(),
    outboxRecords: count,
    outboxBytes: count,
    outboxDropped: count,
  })
  .meta({ id: 'Vitals' });
export type Vitals = z.infer<typeof Vitals>;

/** An update machine moved. `committed` is the slot's last committed digest at that moment. */
export const UpdateEvent = z
  .object({
    type: z.literal('update'),
    ...clock,
    uptime: seconds,
    slot: SlotName,
    deployment: DeploymentId,
    digest: Digest,
    state: UpdateState,
    failure: FailureClass.optional(),
    reason: z.string().max(2000).optional(),
    variant: z.string().max(256).optional(),
    committed: Digest.optional(),
  })
  .meta({ id: 'UpdateEvent' });
export type UpdateEvent = z.infer<typeof UpdateEvent>;

/** An outbox that ended before all of it was acknowledged, as far as it could be read: nothing more comes of it. */
export const ClosedStream = z
  .object({
    stream: StreamId.optional(),
    /** One above the last number that it gave. */
    next: z.int().min(0).optional(),
    /** Records with a number, which may have arrived, and those without one, which have not. */
    sent: count,
    unsent: count,
  })
  .meta({ id: 'ClosedStream' });
export type ClosedStream = z.infer<typeof ClosedStream>;

export const AlarmEvent = z
  .object({
    type: z.literal('alarm'),
    ...clock,
    uptime: seconds,
    name: z.string().regex(/^[a-z0-9-]{1,64}$/),
    message: z.string().max(2000),
    slot: SlotName.optional(),
    closes: ClosedStream.optional(),
  })
  .meta({ id: 'AlarmEvent' });
export type AlarmEvent = z.infer<typeof AlarmEvent>;

/** Answer to a `dn/command`, matched by its nonce. */
export const ReplyEvent = z
  .object({
    type: z.literal('reply'),
    ...clock,
    uptime: seconds,
    nonce: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
    ok: z.boolean(),
    detail: z.string().max(8000).optional(),
  })
  .meta({ id: 'ReplyEvent' });
export type ReplyEvent = z.infer<typeof ReplyEvent>;

/** The gateway configuration in force changed, or a part of it was refused. */
export const ConfigurationEvent = z
  .object({ type: z.literal('configuration'), ...clock, uptime: seconds, ...ConfigurationReport.shape })
  .meta({ id: 'ConfigurationEvent' });
export type ConfigurationEvent = z.infer<typeof ConfigurationEvent>;

export const TelemetryRecord = z.discriminatedUnion('type', [InferenceWindow, Vitals]).meta({ id: 'TelemetryRecord' });
export type TelemetryRecord = z.infer<typeof TelemetryRecord>;
export const EventRecord = z
  .discriminatedUnion('type', [UpdateEvent, AlarmEvent, ReplyEvent, ConfigurationEvent])
  .meta({ id: 'EventRecord' });
export type EventRecord = z.infer<typeof EventRecord>;
