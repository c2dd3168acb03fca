import { z } from 'zod';

const fraction = z.number().min(0).max(1);
const common = {
  /** Observation debt: a gate passes only after so many inferences, however long that takes. */
  minInferences: z.int().min(1).default(500),
  /** The fraction that would be unacceptable: to pass is to have evidence of staying below it. */
  margin: z.number().gt(0).lt(1).optional(),
  /** Judged and shown, but it decides nothing. */
  dryRun: z.boolean().default(false),
};
const ratioOrLimit = { ratioToIncumbent: z.number().gt(0).max(1000).optional(), maxMs: z.number().gt(0).optional() };
const exactlyOne = (gate: { ratioToIncumbent?: number | undefined; maxMs?: number | undefined }) =>
  (gate.ratioToIncumbent === undefined) !== (gate.maxMs === undefined);
const oneOfBoth = 'needs exactly one of ratioToIncumbent and maxMs';

/** Mean compute CPU time of a window, against the incumbent's on the same device or a plain limit. */
export const ComputeGate = z
  .strictObject({ metric: z.literal('compute.mean'), ...ratioOrLimit, ...common })
  .refine(exactlyOne, oneOfBoth);
/** Share of inferences whose time from request to result is over the incumbent's p95 or p99 on the same device, or over a plain limit. */
export const WallGate = z
  .strictObject({ metric: z.enum(['wall.p95', 'wall.p99']), ...ratioOrLimit, ...common })
  .refine(exactlyOne, oneOfBoth);
/** Resident memory of the runner at the end of a window. */
export const MemoryGate = z
  .strictObject({
    metric: z.literal('memory'),
    ratioToIncumbent: ratioOrLimit.ratioToIncumbent,
    maxMb: z.number().gt(0).optional(),
    ...common,
  })
  .refine(
    (gate) => (gate.ratioToIncumbent === undefined) !== (gate.maxMb === undefined),
    'needs exactly one of ratioToIncumbent and maxMb',
  );
/** Shares: failed inferences, shed requests, windows in which the runner had to be started anew. */
export const ShareGate = z.strictObject({ metric: z.enum(['errors', 'sheds', 'restarts']), max: fraction, ...common });
/** Share of the verdicts on predictions that say they were wrong (rejected or corrected), plain or against the incumbent's on the same device. */
export const FeedbackGate = z
  .strictObject({
    metric: z.literal('feedback.rejected'),
    max: fraction.optional(),
    ratioToIncumbent: z.number().gt(0).max(1000).optional(),
    ...common,
    /** Counted in verdicts here. */
    minInferences: z.int().min(1).default(50),
  })
  .refine(
    (gate) => (gate.max === undefined) !== (gate.ratioToIncumbent === undefined),
    'needs exactly one of max and ratioToIncumbent',
  );
/** The hottest that the board was in a window. */
export const TemperatureGate = z.strictObject({
  metric: z.literal('temperature'),
  maxC: z.number().min(-50).max(200),
  ...common,
});
/** Share of the time in which the board was held back by heat or a weak supply. */
export const ThrottlingGate = z.strictObject({ metric: z.literal('throttling'), max: fraction, ...common });
/** Named already, so that plans can be written; nothing measures them yet, so they may not decide. */
export const FutureGate = z.strictObject({
  metric: z.enum(['drift.input', 'drift.output', 'drift.score', 'shadow.disagreement', 'shadow.latency']),
  max: fraction,
  ...common,
  dryRun: z.literal(true, 'a drift.* or shadow.* gate can be named with dryRun: true only: nothing measures it yet'),
});

const metrics =
  'compute.mean, wall.p95, wall.p99, memory, errors, sheds, restarts, feedback.rejected, temperature, throttling; in a dry run drift.* and shadow.*';
export const PlanGate = z
  .discriminatedUnion(
    'metric',
    [ComputeGate, WallGate, MemoryGate, ShareGate, FeedbackGate, TemperatureGate, ThrottlingGate, FutureGate],
    { error: `no such metric; there are ${metrics}` },
  )
  .superRefine((gate, context) => {
    const { acceptable, unacceptable } = gateTerms(gate);
    if (unacceptable > acceptable) return;
    context.addIssue({ code: 'custom', path: ['margin'], message: `margin must be above what is acceptable (${acceptable})` });
  });
export type PlanGate = z.infer<typeof PlanGate>;

/** What the tests by betting are about: mean fractions that are fine and that are not. */
export type GateTerms = { acceptable: number; unacceptable: number };

/** By the meaning of a p95, a twentieth may be over it; a p99 leaves a hundredth. */
const acceptableOf: Record<'compute.mean' | 'wall.p95' | 'wall.p99' | 'memory' | 'temperature', GateTerms> = {
  'compute.mean': { acceptable: 0.05, unacceptable: 0.1 },
  'wall.p95': { acceptable: 0.05, unacceptable: 0.1 },
  'wall.p99': { acceptable: 0.01, unacceptable: 0.03 },
  memory: { acceptable: 0.05, unacceptable: 0.1 },
  temperature: { acceptable: 0.05, unacceptable: 0.1 },
};
/** 'None at all' is tested as one in a million: a bet against zero would have no size. */
const leastAcceptable = 1e-6;
const marginAbove = 0.04;
const mostUnacceptable = 0.999;

export function gateTerms(gate: { metric: string; max?: number | undefined; margin?: number | undefined }): GateTerms {
  const known = acceptableOf[gate.metric as keyof typeof acceptableOf];
  if (!known) return shareTerms(gate.max ?? 0, gate.margin);
  return { acceptable: known.acceptable, unacceptable: gate.margin ?? known.unacceptable };
}

/** Of a share that may be `max`. */
export function shareTerms(max: number, margin: number | undefined): GateTerms {
  const acceptable = Math.max(max, leastAcceptable);
  return { acceptable, unacceptable: margin ?? Math.min(mostUnacceptable, acceptable + marginAbove) };
}
