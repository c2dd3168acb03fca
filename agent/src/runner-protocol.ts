import {
  ArtifactFailure,
  Baseline,
  DeploymentId,
  Digest,
  ExecutionProvider,
  InferenceWindow,
  Manifest,
  SlotName,
} from '@flotilla/protocol/device';
import { z } from 'zod';
import { Credentials } from './credentials.js';

/** What supervisor and runner say to each other over the child's IPC channel; both sides parse what they receive. */

/** An engine outside of the runner: found as JSON in this variable of its environment, so that nothing else is loaded before. */
export const engineVariable = 'FLOTILLA_ENGINE';
export const EngineSpec = z.object({
  name: z.string(),
  command: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()),
});
export type EngineSpec = z.infer<typeof EngineSpec>;
/** Which of the descriptors that a child inherits is which of the slot's sockets: bound, and listened on by nobody but children. */
export const Listen = z.object({ http: z.int().optional(), grpc: z.int().optional(), unix: z.int().optional() });
export type Listen = z.infer<typeof Listen>;

/** Whether requests are computed together, as it was tried on this hardware. `gain`: throughput in full batches over one by one. */
export const BatchingTrial = z.object({ on: z.boolean(), gain: z.number().optional(), why: z.string().optional() });
export type BatchingTrial = z.infer<typeof BatchingTrial>;

const load = {
  slot: SlotName,
  deployment: DeploymentId,
  digest: Digest,
  manifest: Manifest,
  /** Folder that holds the release's files under their manifest paths, verified. */
  folder: z.string(),
  /** `file` of the chosen variant. */
  variant: z.string(),
  intraOpThreads: z.int().min(1),
  /** Sessions side by side; one where it is not said. */
  workers: z.int().min(1).max(64).optional(),
  /** What this device offers of the variant's execution providers, best first; the CPU where it is not said. */
  providers: z.array(ExecutionProvider).optional(),
  /** Folder for what an engine compiles from this release. */
  engineCache: z.string().optional(),
  /** What preflight found, so that a restart need not try again. */
  batching: BatchingTrial.optional(),
  /** Absolute ceilings of the profile: mean compute CPU milliseconds, resident bytes. */
  maxComputeMs: z.number().gt(0),
  maxRssBytes: z.int().min(1),
};

/** Where a slot of this device listens for REST. */
export const SlotAddress = z.object({
  slot: SlotName,
  scheme: z.enum(['http', 'https']),
  host: z.string(),
  port: z.int().min(1),
});
export type SlotAddress = z.infer<typeof SlotAddress>;

const credentials = Credentials.optional();
/** Limits of the gates, microseconds by name: windows count what is slower. */
const slow = z.record(z.string(), z.number().gt(0)).optional();

const drain = z.object({ type: z.literal('drain'), graceMs: z.int().min(0) });

/** The stub, which stands in where no runner can serve: answer every request with the reason, then `activated`. */
export const ToStub = z.discriminatedUnion('type', [
  z.object({ type: z.literal('refuse'), reason: z.string(), listen: Listen, credentials }),
  drain,
]);
export type ToStub = z.infer<typeof ToStub>;

export const ToRunner = z.discriminatedUnion('type', [
  /** Load, warm up, then `ready` (serve) or golden set and figures, then `preflighted` and exit. */
  z.object({ type: z.literal('preflight'), ...load }),
  /** Everything in that file or folder through the release, then `measured` and exit. */
  z.object({ type: z.literal('measure'), ...load, examples: z.string() }),
  z.object({
    type: z.literal('serve'),
    ...load,
    listen: Listen.default({}),
    windowS: z.number().gt(0),
    slow,
    /** Golden set and figures first, told as `preflighted`: where there is no memory for a runner that is thrown away. */
    prove: z.boolean().optional(),
    /** Inferences through its own handlers before `ready`: for one that takes over from another, whose clients all come at once. */
    rehearse: z.boolean().optional(),
    /** After which a prediction says nothing any more. */
    staleAfterMs: z.number().gt(0).optional(),
    /** TLS, and who may ask; without it the address is this device's own. */
    credentials,
    /** All of this device, for clients that look for them. */
    slots: z.array(SlotAddress).default([]),
    /** JSON lines of predictions; rotated at maxBytes, `keep` old files. */
    predictions: z.object({ file: z.string(), maxBytes: z.int().min(1), keep: z.int().min(0) }),
  }),
  /** Listen. */
  z.object({ type: z.literal('activate') }),
  /** Stop accepting, answer what came, send the last window, exit 0 at the latest after graceMs. */
  drain,
  /** New ones, for connections to come. */
  z.object({ type: z.literal('secure'), credentials: Credentials }),
  z.object({ type: z.literal('configure'), windowS: z.number().gt(0), staleAfterMs: z.number().gt(0).optional(), slow }),
]);
export type ToRunner = z.infer<typeof ToRunner>;

/** What really computes, and why none of the better providers that were asked for does. */
const computesOn = { provider: ExecutionProvider.optional(), shortfall: z.string().optional() };

export const PreflightFigures = z.object({
  ...computesOn,
  /** Where batching is declared. */
  batching: BatchingTrial.optional(),
  loadMs: z.number(),
  /** CPU milliseconds per inference over the timed runs; absent where the model takes no made-up input and so could not be timed. */
  meanComputeMs: z.number().optional(),
  peakRssBytes: z.int(),
  goldenCases: z.int(),
  /** Share of golden cases whose top-1 equals the float reference's; mean cosine of the outputs. */
  top1: z.number().optional(),
  cosine: z.number().optional(),
});
export type PreflightFigures = z.infer<typeof PreflightFigures>;

const failure = { failure: ArtifactFailure, reason: z.string() };
export const FromRunner = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), loadMs: z.number(), rssBytes: z.int(), ...computesOn }),
  /** Deadlines wait while it is told. */
  z.object({
    type: z.literal('progress'),
    phase: z.enum(['loading', 'compiling', 'measuring']),
    fraction: z.number().optional(),
    what: z.string().optional(),
  }),
  z.object({ type: z.literal('preflighted'), figures: PreflightFigures }),
  z.object({ type: z.literal('measured'), baseline: Baseline.optional(), refused: z.int(), firstRefusal: z.string().optional() }),
  /** The release is at fault: the runner exits with 0 after it. */
  z.object({ type: z.literal('failed'), ...failure, figures: PreflightFigures.partial().optional() }),
  z.object({ type: z.literal('activated') }),
  /** Each second while serving. Counts since activation. `consecutiveErrors` is the run of failures that lasts now. */
  z.object({ type: z.literal('heartbeat'), ok: z.int(), errors: z.int(), consecutiveErrors: z.int(), rssBytes: z.int() }),
  /** One inference has lasted so long and is not done; said again and again, in whatever state the runner is. */
  z.object({ type: z.literal('computing'), forMs: z.number() }),
  /** The supervisor adds boot, start and end. */
  z.object({
    type: z.literal('window'),
    durationS: z.number(),
    /** It holds only what was said of predictions that another deployment made before. */
    past: z.literal(true).optional(),
    window: InferenceWindow.omit({ boot: true, start: true, end: true }),
  }),
]);
export type FromRunner = z.infer<typeof FromRunner>;
