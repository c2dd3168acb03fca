import { gateTerms, shareTerms, type GateTerms, type PlanGate } from '@flotilla/protocol';

/** What the incumbent showed on one device before it was offered another release: the device is its own control. */
export type Baseline = Readonly<{
  windows: number;
  inferences: number;
  /** Compute CPU time per inference, microseconds: mean over all, and p95 and median of the windows' means. */
  computeMeanUs: number;
  computeP95Us: number;
  computeP50Us: number;
  /** Wall time from request to result. */
  wallP95Us?: number | undefined;
  wallP99Us?: number | undefined;
  rssP95Bytes?: number | undefined;
  /** Verdicts on its predictions, and those that say they were wrong. */
  verdicts?: Verdicts | undefined;
}>;
export type Verdicts = Readonly<{ given: number; wrong: number }>;
type BaselineNeeds = Readonly<{ baselineWindows: number; baselineInferences: number }>;

/** What of it rests on enough; a device that has shown too little is compared with nothing. */
export function trusted(seen: Baseline | undefined, needs: BaselineNeeds): Baseline | undefined {
  if (!seen || seen.windows < needs.baselineWindows) return undefined;
  const { verdicts, ...rest } = seen;
  const heard = verdicts && verdicts.given >= leastVerdicts ? seen : rest;
  if (seen.inferences >= needs.baselineInferences) return heard;
  const { wallP95Us: _, wallP99Us: __, ...known } = heard;
  return known;
}

/** Of fewer verdicts no share is known well enough to be compared with. */
const leastVerdicts = 100;

/** The limit of a gate on this device, in microseconds, bytes or °C, or as a share; undefined: there is nothing to compare with. */
export function limitOn(gate: PlanGate, baseline: Baseline | undefined): number | undefined {
  switch (gate.metric) {
    case 'compute.mean':
      return gate.maxMs !== undefined ? gate.maxMs * 1000 : times(gate.ratioToIncumbent, baseline?.computeP95Us);
    case 'wall.p95':
      return gate.maxMs !== undefined ? gate.maxMs * 1000 : times(gate.ratioToIncumbent, baseline?.wallP95Us);
    case 'wall.p99':
      return gate.maxMs !== undefined ? gate.maxMs * 1000 : times(gate.ratioToIncumbent, baseline?.wallP99Us);
    case 'memory':
      return gate.maxMb !== undefined ? gate.maxMb * 1e6 : times(gate.ratioToIncumbent, baseline?.rssP95Bytes);
    case 'feedback.rejected':
      return gate.max ?? times(gate.ratioToIncumbent, baseline?.verdicts && atMostWrong(baseline.verdicts));
    case 'temperature':
      return gate.maxC;
    case 'errors':
    case 'sheds':
    case 'restarts':
    case 'throttling':
    case 'drift.input':
    case 'drift.output':
    case 'drift.score':
    case 'shadow.disagreement':
    case 'shadow.latency':
      return undefined;
  }
}

/**
 * The share of wrong predictions that the incumbent may really have: the upper end of Wilson's interval at three standard deviations. What
 * it happened to show would be too narrow a limit: by chance, a release that is as good shows more.
 */
function atMostWrong({ given, wrong }: Verdicts): number {
  const [z, share] = [3, wrong / given];
  const spread = z * Math.sqrt((share * (1 - share)) / given + (z / (2 * given)) ** 2);
  return (share + z ** 2 / (2 * given) + spread) / (1 + z ** 2 / given);
}

/** Nobody compares with an incumbent that is nearly always wrong. */
const mostAcceptable = 0.95;

/** What the bets on this device's windows are about: a share that is compared has its own on each. */
export function termsOn(gate: PlanGate, baseline: Baseline | undefined): GateTerms {
  if (gate.metric !== 'feedback.rejected' || gate.max !== undefined) return gateTerms(gate);
  const acceptable = Math.min(mostAcceptable, limitOn(gate, baseline) ?? mostAcceptable);
  const { margin = 0 } = gate;
  return shareTerms(acceptable, margin > acceptable ? margin : undefined);
}

/** The name under which a window counts what was slower than this gate's limit. */
export const slowKey = (gate: PlanGate, index: number) => `${gate.metric}#${index}`;

/** What the device is to count its inferences against. */
export function slowLimits(gates: readonly PlanGate[], baseline: Baseline | undefined): Record<string, number> {
  return Object.fromEntries(
    gates.flatMap((gate, index) => {
      const limit = gate.metric.startsWith('wall.') ? limitOn(gate, baseline) : undefined;
      return limit === undefined ? [] : [[slowKey(gate, index), Math.round(limit)]];
    }),
  );
}

/** The gate compares with the incumbent, and so says nothing where there is none. */
export const isRelative = (gate: PlanGate) => 'ratioToIncumbent' in gate && gate.ratioToIncumbent !== undefined;
export const isComparable = (gate: PlanGate, baseline: Baseline | undefined) =>
  !isRelative(gate) || limitOn(gate, baseline) !== undefined;

/** A device whose incumbent swings by more than the gates allow is judged among its like, not beside steady ones. */
export function isUnsteady(gates: readonly PlanGate[], baseline: Baseline | undefined): boolean {
  if (!baseline) return false;
  const swing = baseline.computeP95Us / baseline.computeP50Us;
  return gates.some((gate) => gate.metric === 'compute.mean' && swing > (gate.ratioToIncumbent ?? Infinity));
}

const times = (ratio: number | undefined, value: number | undefined) =>
  ratio === undefined || value === undefined ? undefined : ratio * value;
