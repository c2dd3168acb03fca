/** `parallel`: the candidate comes up beside the incumbent. `sequential`: after it. `auto`: by the forecast. */
export type SwapMode = 'auto' | 'parallel' | 'sequential';

/** What is known of a release's need, bytes. `peak`: measured here; `declared`: by its manifest. */
type Need = Readonly<{ peak?: number | undefined; declared?: number | undefined; weights: number; workers: number }>;
/** Bytes: what the system would still give, and what the slot may have in all. */
type Room = Readonly<{ available: number; budget: number }>;
/** `why`: in words for whoever has to know that there will be a gap. */
export type SwapPlan = Readonly<{ sequential: boolean; why?: string }>;

/** A runner without a model, and its weights once as they are read and once as they are laid out. */
const bareRunner = 120e6;
/** What a forecast may be wrong by. */
const margin = 1.25;

/** Bytes that a runner takes at its peak. Each worker holds the weights; a peak that was measured holds them all. */
export function forecast({ peak, declared, weights, workers }: Need): number {
  if (peak !== undefined) return peak;
  return (declared ?? bareRunner + weights) + workers * weights;
}

/** The incumbent's bytes are taken already from what is available, and count against the slot's budget. */
export function planSwap(
  mode: SwapMode,
  incumbent: number | undefined,
  candidate: number,
  { available, budget }: Room,
): SwapPlan {
  if (incumbent === undefined || mode === 'parallel') return { sequential: false };
  if (mode === 'sequential') return { sequential: true, why: 'sequential swap: it is configured' };
  const needs = [
    { needed: candidate * margin, free: available, of: 'free' },
    { needed: (incumbent + candidate) * margin, free: budget, of: 'in the budget of the slot' },
  ];
  const short = needs.find(({ needed, free }) => needed > free);
  if (!short) return { sequential: false };
  return { sequential: true, why: `sequential swap: ${megabytes(short.needed)} needed, ${megabytes(short.free)} ${short.of}` };
}

export const gapNote = (gapMs: number): string => `sequential swap: nothing served for ${(gapMs / 1000).toFixed(1)} s`;

const megabytes = (bytes: number) => `${Math.max(0, Math.round(bytes / 1e6))} MB`;
