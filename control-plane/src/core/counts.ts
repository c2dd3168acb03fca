import type { StageCounts } from '@flotilla/protocol';

/** Devices of one stage by state: read in the transaction that also writes the verdict. */
export type Counts = Readonly<Omit<StageCounts, 'superseded'>>;

export const noCounts: Counts = {
  already: 0,
  waiting: 0,
  open: 0,
  committed: 0,
  unproven: 0,
  failedArtifact: 0,
  failedPlace: 0,
  timedOut: 0,
  rejected: 0,
  deferred: 0,
  rolledBack: 0,
};

/** Everyone whom the stage is about; `already` and rolled-back devices are not. */
export const eligible = (c: Counts) =>
  c.waiting + c.open + c.committed + c.unproven + c.failedArtifact + c.failedPlace + c.timedOut + c.rejected + c.deferred;

/** Only a commit or a failure of the artifact says something about the release. */
export const decided = (c: Counts) => c.committed + c.failedArtifact;

/** An outage, a full disk, a device that fell silent: nothing about the release. */
export const placeFailures = (c: Counts) => c.failedPlace + c.timedOut + c.rejected;

/** committed / decided; an undecided stage has no success to speak of. */
export const success = (c: Counts) => (decided(c) === 0 ? undefined : c.committed / decided(c));

/** decided / (eligible − deferred). */
export const coverage = (c: Counts) => {
  const reachable = eligible(c) - c.deferred;
  return reachable === 0 ? 0 : decided(c) / reachable;
};

/** The success that is still possible if every device that is waiting or open commits. */
export const bestSuccess = (c: Counts) => {
  const possible = c.committed + c.open + c.waiting;
  return possible + c.failedArtifact === 0 ? 1 : possible / (possible + c.failedArtifact);
};

export const addCounts = (a: Counts, b: Counts): Counts => ({
  already: a.already + b.already,
  waiting: a.waiting + b.waiting,
  open: a.open + b.open,
  committed: a.committed + b.committed,
  unproven: a.unproven + b.unproven,
  failedArtifact: a.failedArtifact + b.failedArtifact,
  failedPlace: a.failedPlace + b.failedPlace,
  timedOut: a.timedOut + b.timedOut,
  rejected: a.rejected + b.rejected,
  deferred: a.deferred + b.deferred,
  rolledBack: a.rolledBack + b.rolledBack,
});
