import type { Flags } from './flags.js';

/** What each part of `predict` is run with. */
export type PartOptions = { log: (line: string) => void; rounds: number; flags: Flags };
