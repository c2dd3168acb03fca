import type { Manifest } from '@flotilla/protocol/device';
import type { Committed } from '../core/slot-state.js';
import type { PreflightFigures } from '../runner-protocol.js';
import { inWords, type OrderParts, orderFor, programWith } from './runner-orders.js';
import { type Oversight, RunnerProcess } from './runner-process.js';
import type { Deadlines } from './slot-deadlines.js';

type Parts = OrderParts & { deadlines: Deadlines };

/** Figures of one variant, measured in a runner that is thrown away. */
export async function preflightOf(
  parts: Parts,
  release: Committed,
  signal: AbortSignal,
  onProgress: (told: string) => void,
): Promise<PreflightFigures> {
  const { program, deadlines } = parts;
  const { load, engine } = await orderFor(parts, release);
  const process = new RunnerProcess(programWith(program, engine), { givesWayMs: deadlines.givesWayMs });
  process.oversee({
    ...oversightOf(parts, load.manifest),
    onProgress: (progress) => onProgress(inWords(progress, release.variant)),
  });
  try {
    process.send({ type: 'preflight', ...load });
    const { figures } = await process.expect('preflighted', deadlines.preflightMs, signal);
    await process.leave();
    return figures;
  } finally {
    process.end('crash', 'preflight is over');
  }
}

/** What a runner of this release is held to. */
export function oversightOf({ limits, deadlines }: Parts, { limits: asked }: Pick<Manifest, 'limits'>): Oversight {
  const maxRunMs = Math.min(limits.maxRunMs ?? Infinity, asked?.maxRunMs ?? Infinity);
  return { ...limits, maxRunMs, heartbeatMs: deadlines.heartbeatMs };
}
