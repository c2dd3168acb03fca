import type { Flags } from './flags.js';

/** `reach`: the number to reach, where the design names one; `interval`: where the true median lies in 95 of 100 cases. */
export type Measured = { value: number; unit: string; reach?: string; interval?: [number, number] };
/** Not measured, and why. */
export type Skipped = { skipped: string };
export type Figure = Measured | Skipped;
export type Bench = { about: string; run: (log: (line: string) => void, flags: Flags) => Promise<Record<string, Figure>> };
