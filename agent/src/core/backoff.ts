export type Backoff = Readonly<{ baseMs: number; capMs: number }>;

/** Full jitter: anywhere between nothing and a ceiling that doubles per attempt, so that a fleet does not come back in step. */
export function backoffMs(attempt: number, { baseMs, capMs }: Backoff, random: number): number {
  return Math.floor(random * ceilingMs(attempt, { baseMs, capMs }));
}

/** The longest wait after `attempt` failures, counted from 0. */
export function ceilingMs(attempt: number, { baseMs, capMs }: Backoff): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(attempt, 40));
}
