import type { Digest, SlotName } from '@flotilla/protocol/device';
import type { Committed } from '../core/slot-state.js';
import type { ThreadShare } from '../core/thread-budget.js';
import type { BatchingTrial, EngineSpec, FromRunner, ToRunner } from '../runner-protocol.js';
import type { StoredRelease } from './artifact-store.js';
import { engineEnvironment, type RunnerEngine } from './engines.js';
import type { MemoryLimits } from './memory-watch.js';
import type { RunnerProgram } from './runner-process.js';

/** `maxRunMs`: of one inference; a release may ask for less. */
export type Limits = MemoryLimits & { maxComputeMs: number; maxRunMs?: number | undefined };
export type OrderParts = {
  slot: SlotName;
  program: RunnerProgram;
  limits: Limits & ThreadShare;
  /** Its files, and what is known of it here. */
  open: (digest: Digest, variant: string) => Promise<StoredRelease & { batching?: BatchingTrial | undefined }>;
  /** Which engine computes a variant, and how. */
  engineFor: (release: StoredRelease, variant: string) => RunnerEngine;
  /** Folder in which an engine keeps what it compiles. */
  engineCache: (digest: Digest) => string;
};
/** `engine` absent: the one built into the runner. */
type RunnerOrder = {
  load: Omit<Extract<ToRunner, { type: 'preflight' }>, 'type'>;
  engine: EngineSpec | undefined;
};

/** What a runner is told of its release, and by which engine it computes it. */
export async function orderFor(parts: OrderParts, { deployment, digest, variant }: Committed): Promise<RunnerOrder> {
  const { slot, limits, open, engineFor, engineCache } = parts;
  const stored = await open(digest, variant);
  const { engine, providers } = engineFor(stored, variant);
  const load = { slot, deployment, digest, variant, ...stored, ...limits, providers: [...providers] };
  return { load: engine ? { ...load, engineCache: engineCache(digest) } : load, engine };
}

export const programWith = (program: RunnerProgram, engine: EngineSpec | undefined): RunnerProgram => ({
  ...program,
  env: { ...program.env, ...engineEnvironment(engine) },
});

/** `compiling model.onnx, 40 % (layer 3)` */
export function inWords({ phase, fraction, what }: Extract<FromRunner, { type: 'progress' }>, variant: string): string {
  const share = fraction === undefined ? '' : `, ${Math.round(fraction * 100)} %`;
  return `${phase} ${variant}${share}${what === undefined ? '' : ` (${what})`}`;
}
