import type { PlanGate } from '@flotilla/protocol';
import { isComparable, isUnsteady, slowKey, type Baseline } from './baseline.js';
import { evidenceOf, joining, type GateEvidence } from './evidence.js';
import { collect, type Sample } from './sample.js';

/** A device of a stage as evidence is gathered from it. */
export type Witness = Readonly<{ hardwareClass: string; baseline: Baseline | undefined; kept: Sample | undefined }>;
type Added = Readonly<{ gate: number; stratum: string; evidence: GateEvidence }>;

/** By hardware class; the gate on compute time judges devices with an unsteady incumbent apart. */
const stratumOf = (gate: PlanGate, { hardwareClass, baseline }: Witness) =>
  isUnsteady([gate], baseline) ? `${hardwareClass} (unsteady)` : hardwareClass;

/** What the gates know when a device has been offered the release. */
export const joined = (gates: readonly PlanGate[], witness: Witness): Added[] =>
  gates.map((gate, index) => ({
    gate: index,
    stratum: stratumOf(gate, witness),
    evidence: joining(isComparable(gate, witness.baseline)),
  }));

/** The same device is offered it again: what was known of it no longer holds. */
export const left = (gates: readonly PlanGate[], witness: Witness): Added[] =>
  joined(gates, witness).map((added) => ({
    ...added,
    evidence: { ...added.evidence, devices: -added.evidence.devices, paired: -added.evidence.paired },
  }));

/** The gate goes by what people and other stations say. */
const isHeard = ({ metric }: PlanGate) => metric === 'feedback.rejected';

/** What windows of one device add, in the order in which it cut them, and what is kept of those too small to speak of. */
export function gathered(
  gates: readonly PlanGate[],
  witness: Witness,
  samples: readonly Sample[],
): { added: Added[]; kept: Sample | undefined } {
  let { kept } = witness;
  const said = (sample: Sample, byPeople: boolean) =>
    gates.flatMap((gate, index): Added[] => {
      if (isHeard(gate) !== byPeople) return [];
      const evidence = evidenceOf(gate, slowKey(gate, index), sample, witness.baseline);
      return evidence ? [{ gate: index, stratum: stratumOf(gate, witness), evidence }] : [];
    });
  const added = samples.flatMap(({ verdicts, ...sample }) => {
    const next = collect(kept, sample);
    kept = next.kept;
    // What people say may come long after the last inference: it never waits for one.
    const heard = verdicts ? said({ ...sample, verdicts }, true) : [];
    return [...heard, ...(next.complete ? said(next.complete, false) : [])];
  });
  return { added, kept };
}
