import { describe, expect, it } from 'vitest';
import { addCounts, bestSuccess, coverage, decided, eligible, noCounts, success } from './counts.js';

const mixed = {
  ...noCounts,
  already: 5,
  waiting: 0,
  open: 1,
  committed: 6,
  unproven: 1,
  failedArtifact: 2,
  failedPlace: 1,
  timedOut: 1,
  rejected: 1,
  deferred: 2,
  rolledBack: 3,
};

describe('counts of a stage', () => {
  it('leave devices out that had the release before, and those that went back', () => expect(eligible(mixed)).toBe(15));
  it('decide by commits and failures of the artifact only', () => expect(decided(mixed)).toBe(8));
  it('give success among the decided', () => expect(success(mixed)).toBe(6 / 8));
  it('give no success before anything is decided', () => expect(success(noCounts)).toBeUndefined());
  it('give coverage among those within reach', () => expect(coverage(mixed)).toBe(8 / 13));
  it('cover nothing when nobody is within reach', () => expect(coverage({ ...noCounts, deferred: 3 })).toBe(0));
  it('give the best that can still come', () => expect(bestSuccess(mixed)).toBe(7 / 9));
  it('promise everything while nothing has happened', () => expect(bestSuccess(noCounts)).toBe(1));
  it('add up', () =>
    expect(addCounts(mixed, mixed)).toEqual(Object.fromEntries(Object.entries(mixed).map(([k, n]) => [k, 2 * n]))));
});
