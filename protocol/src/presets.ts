import type { RolloutPlanInput } from './plan.js';

type Preset = Partial<
  Pick<RolloutPlanInput, 'stages' | 'gates' | 'evidence' | 'success' | 'pace' | 'onBreach' | 'groupCalendars'>
>;

/** What a plan says that names one of these and leaves the rest out; each key that it writes stands in place of the preset's. */
export const presets = {
  /** For a release that must not go wrong: days, small steps, narrow limits. */
  cautious: {
    stages: [
      { name: 'canary', count: 1, soak: '1h', deadline: '1d' },
      { name: 'few', percent: 5, soak: '4h', deadline: '2d' },
      { name: 'quarter', percent: 25, soak: '12h', deadline: '3d' },
      { name: 'rest', percent: 100, soak: '12h', deadline: '7d' },
    ],
    gates: [
      { metric: 'compute.mean', ratioToIncumbent: 1.1 },
      { metric: 'wall.p95', ratioToIncumbent: 1.25 },
      { metric: 'memory', ratioToIncumbent: 1.2 },
      { metric: 'errors', max: 0.001, margin: 0.02 },
      { metric: 'restarts', max: 0.001 },
    ],
    evidence: { falseAlarm: 0.01, pass: 0.01, maxWait: '1d' },
    success: { committed: 0.99, coverage: 0.95, maxDeferred: 0.05 },
    pace: { maxInFlight: 50 },
    onBreach: 'roll-back',
  },
  /** A day for most fleets. */
  standard: {
    stages: [
      { name: 'canary', count: 1, soak: '10m', deadline: '4h' },
      { name: 'tenth', percent: 10, soak: '30m', deadline: '8h' },
      { name: 'rest', percent: 100, soak: '30m', deadline: '24h' },
    ],
    gates: [
      { metric: 'compute.mean', ratioToIncumbent: 1.2 },
      { metric: 'errors', max: 0.005 },
    ],
    onBreach: 'roll-back',
  },
  /** The incumbent is worse than anything that might go wrong: one device, then all. Still taken back when it fails. */
  emergency: {
    stages: [
      { name: 'first', count: 1, soak: '30s', deadline: '30m' },
      { name: 'rest', percent: 100, soak: '1m', deadline: '4h' },
    ],
    gates: [{ metric: 'errors', max: 0.05, margin: 0.3, minInferences: 20 }],
    evidence: { falseAlarm: 0.05, pass: 0.2, maxWait: '30m' },
    success: { committed: 0.9, coverage: 0.5, maxDeferred: 0.5, deviceDeadline: '10m' },
    groupCalendars: 'override',
    onBreach: 'roll-back',
  },
} as const satisfies Record<string, Preset>;
