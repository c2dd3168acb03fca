import type { PlanGate } from '@flotilla/protocol';
import { addCapitals, breachGain, noCapital, passGain, type Capitals } from './betting.js';
import { termsOn, type Baseline } from './baseline.js';
import type { Sample } from './sample.js';
import { measure } from './measure.js';

/** What the devices of one stage and one hardware class showed one gate. Sums all through: adding deltas in any order gives the same. */
export type GateEvidence = Readonly<{
  /** Devices that were offered the release, and those among them whose incumbent can be compared with. */
  devices: number;
  paired: number;
  /** Windows that were bet on, and the inferences in them; of a gate on feedback, the verdicts. */
  windows: number;
  inferences: number;
  /** Sum of the fractions that were bet on. */
  over: number;
  /** For the words: what was measured, and what it is set against. */
  value: number;
  reference: number;
  breach: Capitals;
  pass: Capitals;
}>;

export const noEvidence: GateEvidence = {
  devices: 0,
  paired: 0,
  windows: 0,
  inferences: 0,
  over: 0,
  value: 0,
  reference: 0,
  breach: noCapital,
  pass: noCapital,
};

export const addEvidence = (a: GateEvidence, b: GateEvidence): GateEvidence => ({
  devices: a.devices + b.devices,
  paired: a.paired + b.paired,
  windows: a.windows + b.windows,
  inferences: a.inferences + b.inferences,
  over: a.over + b.over,
  value: a.value + b.value,
  reference: a.reference + b.reference,
  breach: addCapitals(a.breach, b.breach),
  pass: addCapitals(a.pass, b.pass),
});

/** A device joins: whether it is its own control is known when it is offered the release. */
export const joining = (comparable: boolean): GateEvidence => ({ ...noEvidence, devices: 1, paired: comparable ? 1 : 0 });

/** What one window adds; undefined: it says nothing to this gate. `key` is the gate's name in the window's `slow` counts. */
export function evidenceOf(
  gate: PlanGate,
  key: string,
  sample: Sample,
  baseline: Baseline | undefined,
): GateEvidence | undefined {
  const measured = measure(gate, key, sample, baseline);
  if (!measured) return undefined;
  const { acceptable, unacceptable } = termsOn(gate, baseline);
  return {
    ...noEvidence,
    windows: 1,
    inferences: measured.inferences,
    over: measured.x,
    value: measured.value,
    reference: measured.reference,
    breach: breachGain(measured.x, acceptable),
    pass: passGain(measured.x, unacceptable),
  };
}
