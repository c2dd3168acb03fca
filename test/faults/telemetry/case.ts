import type { Case } from '../fault-suite.js';
import { TelemetryRig, type RigOptions, type Verdict } from './rig.js';

/** What a fault came to, beside the records themselves. */
export type Outcome = { verdict: Verdict; said?: string; wrong?: string | undefined };
export type Fault = {
  name: string;
  /** Where it differs from the usual one. */
  rig?: Partial<RigOptions> | (() => Partial<RigOptions>);
  strike: (rig: TelemetryRig) => Promise<Outcome>;
  /** After the rig has gone. */
  after?: () => void;
};

/** On a rig of its own, so that one fault can't hide another. */
export async function tried({ name, rig: differently, strike, after }: Fault, usual: RigOptions): Promise<Case> {
  let rig: TelemetryRig | undefined;
  const from = performance.now();
  try {
    const more = typeof differently === 'function' ? differently() : differently;
    rig = await TelemetryRig.start({ ...usual, ...more });
    return judged(name, await strike(rig), from);
  } catch (error) {
    return { name, ok: false, detail: (error as Error).message };
  } finally {
    await rig?.end();
    after?.();
  }
}

/** Nothing acknowledged is lost, nothing is counted twice, and nothing else is amiss. */
export function judged(name: string, { verdict, said, wrong }: Outcome, from: number): Case {
  const { lost, doubled, strange, kept } = verdict;
  const isWhole = lost + doubled + strange === 0 && kept > 0;
  const counts = `${kept} records: ${lost} lost, ${doubled} doubled, ${strange} strange`;
  const took = `${((performance.now() - from) / 1000).toFixed(0)} s`;
  return { name, ok: isWhole && !wrong, detail: [wrong, counts, said, took].filter(Boolean).join('; ') };
}
