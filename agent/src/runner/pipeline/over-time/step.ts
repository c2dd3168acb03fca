import type { OnSwap } from '@flotilla/protocol/device';
import type { z } from 'zod';
import type { Findings } from '../../../prediction.js';
import type { Remembers } from '../memory/memory.js';
import type { Answering, Postprocess, Surroundings } from '../stages.js';

/** What a step made of one answer: what it remembers now, and what it adds to the findings. `certain`: see Memory.keep. */
export type Step<S> = { state: S; certain: boolean; found: Pick<Findings, 'decision' | 'segment'>; undecided?: boolean };
type Declared<S> = { key: string; onSwap: OnSwap; signature?: object; schema: z.ZodType<S> };

/** A pure function of the answer and of what is remembered, as a step of postprocessing. */
export function overTime<S>(
  { key, onSwap, signature = {}, schema }: Declared<S>,
  around: Surroundings,
  take: (before: S | undefined, answering: Answering, at: number) => Step<S>,
): Postprocess {
  const memory: Remembers<S> = {
    key,
    signature: JSON.stringify(signature),
    onSwap,
    read: ({ value }) => schema.parse(value),
    write: (value) => ({ value }),
  };
  around.remember?.(memory);
  return (answering) => {
    const { memory: held, at } = answering.moment ?? { at: 0 };
    if (!held || answering.undecided) return answering;
    const { state, certain, found, undecided = false } = take(held.recall(memory), answering, at);
    held.keep(memory, state, certain);
    const { decision: _, ...findings } = answering.findings;
    return { ...answering, findings: { ...(undecided ? findings : answering.findings), ...found }, undecided };
  };
}
