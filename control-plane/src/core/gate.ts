import type { GateVerdict, PlanGate } from '@flotilla/protocol';

/** What a stage's devices did with the candidate since they activated it, summed over devices. */
export type Evidence = Readonly<{
  /** Inferences that succeeded and that failed. */
  ok: number;
  errors: number;
  /** Compute CPU time over `ok`, microseconds. */
  computeCpuUs: number;
  /** The same over devices whose incumbent has a baseline; `expectedCpuUs` is what the incumbent would have needed on each of them. */
  paired: { devices: number; ok: number; computeCpuUs: number; expectedCpuUs: number };
}>;

export const noEvidence: Evidence = {
  ok: 0,
  errors: 0,
  computeCpuUs: 0,
  paired: { devices: 0, ok: 0, computeCpuUs: 0, expectedCpuUs: 0 },
};

/** A gate that compares with the incumbent says nothing where there is none, so every plan needs one that does not. */
export const isAbsolute = (gate: PlanGate) => gate.metric === 'errors' || gate.maxMs !== undefined;

/** Judges one gate. A breach is called as soon as the evidence suffices; a mean over no inference is never computed. */
export function judgeGate(gate: PlanGate, evidence: Evidence): GateVerdict {
  switch (gate.metric) {
    case 'errors':
      return judgeErrors(gate, evidence);
    case 'compute.mean':
      return gate.ratioToIncumbent === undefined
        ? judgeAbsoluteCompute(gate.metric, gate.maxMs!, gate.minInferences, evidence)
        : judgeComputeRatio(gate.metric, gate.ratioToIncumbent, gate.minInferences, evidence);
  }
}

function judgeErrors(gate: Extract<PlanGate, { metric: 'errors' }>, { ok, errors }: Evidence): GateVerdict {
  const inferences = ok + errors;
  if (inferences < gate.minInferences) return insufficient(gate.metric, inferences, gate.minInferences);
  const value = errors / inferences;
  return verdict(
    gate.metric,
    value,
    gate.max,
    inferences,
    `${errors} of ${inferences} inferences failed (${percent(value)})`,
    percent,
  );
}

function judgeAbsoluteCompute(metric: string, maxMs: number, minInferences: number, evidence: Evidence): GateVerdict {
  if (evidence.ok < minInferences) return insufficient(metric, evidence.ok, minInferences);
  const value = evidence.computeCpuUs / evidence.ok / 1000;
  return verdict(metric, value, maxMs, evidence.ok, `mean compute ${ms(value)}, ${evidence.ok} inferences`, ms);
}

function judgeComputeRatio(metric: string, limit: number, minInferences: number, { paired }: Evidence): GateVerdict {
  if (paired.devices === 0) return { metric, verdict: 'not-applicable', evidence: 'no incumbent to compare with', inferences: 0 };
  if (paired.ok < minInferences) return insufficient(metric, paired.ok, minInferences);
  // Weighted by the candidate's inferences on each device, so that every device is its own control.
  const value = paired.computeCpuUs / paired.expectedCpuUs;
  const [candidate, incumbent] = [paired.computeCpuUs / paired.ok / 1000, paired.expectedCpuUs / paired.ok / 1000];
  const where = paired.devices === 1 ? 'the same device' : `the same ${paired.devices} devices`;
  const side = value > limit ? 'over' : 'within';
  return {
    metric,
    verdict: value > limit ? 'breach' : 'pass',
    evidence: `mean compute ${ms(candidate)} against ${ms(incumbent)} on ${where}, ratio ${value.toFixed(2)} ${side} limit ${limit}, ${paired.ok} inferences`,
    inferences: paired.ok,
    value,
    limit,
  };
}

function verdict(
  metric: string,
  value: number,
  limit: number,
  inferences: number,
  fact: string,
  unit: (n: number) => string,
): GateVerdict {
  const breach = value > limit;
  return {
    metric,
    verdict: breach ? 'breach' : 'pass',
    evidence: `${fact}, ${breach ? 'over' : 'within'} limit ${unit(limit)}`,
    inferences,
    value,
    limit,
  };
}

const insufficient = (metric: string, inferences: number, needed: number): GateVerdict => ({
  metric,
  verdict: 'insufficient',
  evidence: `${inferences} of ${needed} inferences needed`,
  inferences,
});

const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const percent = (value: number) => `${(value * 100).toFixed(2)} %`;
