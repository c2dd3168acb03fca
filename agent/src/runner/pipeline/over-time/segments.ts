import type { Segments } from '@flotilla/protocol/device';
import { z } from 'zod';
import type { Findings } from '../../../prediction.js';
import type { Postprocess, Surroundings } from '../stages.js';
import { type Step, overTime } from './step.js';
import { isoOf, verdictOf } from './verdict.js';

/** `onset`: of the segment that goes on; `quietSince`: within it, since when something else is said; `isCut`: its onset lies before the beginning. */
const State = z.object({ onset: z.number().optional(), quietSince: z.number().optional(), isCut: z.boolean() });
type State = z.infer<typeof State>;

export const openSegments = (options: Segments, around: Surroundings): Postprocess =>
  overTime(
    { key: 'segments', onSwap: options.onSwap, signature: { of: options.of }, schema: State },
    around,
    (before, { findings }, at) => segments(options, before, verdictOf(findings).label, at),
  );

/** A segment is told of once it has lasted `minMs`, and a last time with its end, which is known `gapMs` after it. */
export function segments(
  { of, minMs, gapMs }: Pick<Segments, 'of' | 'minMs' | 'gapMs'>,
  before: State | undefined,
  label: string,
  at: number,
): Step<State> {
  const isIn = label === of;
  const onset = before?.onset ?? (isIn ? at : undefined);
  if (onset === undefined) return { state: { isCut: false }, certain: true, found: {} };
  const quietSince = isIn ? undefined : (before?.quietSince ?? at);
  const isOver = quietSince !== undefined && at - quietSince >= gapMs;
  const lasted = (quietSince ?? at) - onset;
  const segment: Findings['segment'] = { label: of, onset: isoOf(onset), ...(isOver ? { end: isoOf(quietSince) } : {}) };
  const isCut = before?.isCut ?? true;
  const state = isOver ? { isCut: false } : { onset, isCut, ...(quietSince === undefined ? {} : { quietSince }) };
  return { state, certain: !isCut, found: lasted >= minMs ? { segment } : {} };
}
