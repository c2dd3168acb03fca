/** Milliseconds. */
export type Deadlines = {
  readyMs: number;
  activatedMs: number;
  heartbeatMs: number;
  preflightMs: number;
  /** For an incumbent to answer what came. */
  graceMs: number;
  /** For which clients may wait in the backlog while nothing serves: then a stub tells them. */
  standInMs: number;
  /** For which one that loads or is measured leaves the processor to what serves. */
  givesWayMs: number;
};
export const usualDeadlines: Deadlines = {
  readyMs: 120_000,
  activatedMs: 10_000,
  heartbeatMs: 10_000,
  preflightMs: 600_000,
  graceMs: 5000,
  standInMs: 500,
  givesWayMs: 15_000,
};
