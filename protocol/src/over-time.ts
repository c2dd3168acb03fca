import { z } from 'zod';
import { OnSwap } from './signal.js';

/** Steps of postprocessing that remember what came before. They come last, and each goes by what the one before it decided. */

const strictly = z.strictObject;
const label = z.string().min(1).max(128);

/** One number of an output; the best score of a label among `top`, `labels` and `boxes` (0 where it is not there); or the anomaly's. */
export const ScoreOf = z.union([
  z.literal('anomaly'),
  strictly({ label }),
  strictly({ output: z.string().min(1).max(256).optional(), index: z.int().min(0).default(0) }),
]);
export type ScoreOf = z.infer<typeof ScoreOf>;

/** On from `on`, off below `off`; what lies between changes nothing. */
export const Hysteresis = strictly({
  score: ScoreOf,
  on: z.number(),
  off: z.number(),
  label: label.default('on'),
  otherwise: label.default('off'),
  onSwap: OnSwap,
}).refine(({ on, off }) => off <= on, { path: ['off'], message: 'off must be at most on' });
export type Hysteresis = z.infer<typeof Hysteresis>;

/** What `atLeast` of the last `of` say; what holds goes on where they are too divided. */
export const Vote = strictly({ of: z.int().min(2).max(1000), atLeast: z.int().min(2).max(1000), onSwap: OnSwap }).refine(
  ({ of, atLeast }) => atLeast <= of && 2 * atLeast > of,
  { path: ['atLeast'], message: 'atLeast must be more than half of `of`, and no more than `of`: two labels can’t both win' },
);
export type Vote = z.infer<typeof Vote>;

/** What has been said in so many results in a row, or for so long without another. */
export const Debounce = strictly({
  frames: z.int().min(2).max(100_000).optional(),
  ms: z.int().min(1).max(86_400_000).optional(),
  onSwap: OnSwap,
}).refine(({ frames, ms }) => (frames === undefined) !== (ms === undefined), 'one of frames and ms says for how long');
export type Debounce = z.infer<typeof Debounce>;

/** From when to when it was so. `gapMs`: shorter interruptions are none; `minMs`: shorter ones are none. */
export const Segments = strictly({
  of: label,
  minMs: z.int().min(0).max(86_400_000).default(0),
  gapMs: z.int().min(0).max(86_400_000).default(0),
  onSwap: OnSwap,
});
export type Segments = z.infer<typeof Segments>;

export const stepsOverTime: ReadonlySet<string> = new Set(['hysteresis', 'vote', 'debounce', 'segments']);

/** Why they can't stand where they do; undefined when they can. `names`: of all steps of postprocessing. */
export function overTimeProblem(names: readonly string[]): string | undefined {
  const first = names.findIndex((name) => stepsOverTime.has(name));
  if (first < 0) return undefined;
  const after = names.slice(first).find((name) => !stepsOverTime.has(name));
  if (after !== undefined) return `${names[first]} must come after ${after}: steps that remember come last`;
  const late = names.lastIndexOf('hysteresis');
  if (late > first) return 'hysteresis reads a score, and must come before vote, debounce and segments';
  const segments = names.indexOf('segments');
  return segments >= 0 && segments < names.length - 1 ? 'segments comes last' : undefined;
}
