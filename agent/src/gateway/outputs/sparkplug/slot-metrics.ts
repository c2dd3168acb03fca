import type { Handshake } from '../../../core/inspection.js';
import type { LaneCounts } from '../../lane.js';
import type { Reading, ReadingQuality } from '../reading.js';
import { type Datatype, qualities, type QualityCode, type Value } from './payload.js';

/** One metric of a slot, as it is now. `at`: milliseconds since 1970, its source time. */
export type MetricValue = {
  name: string;
  datatype: Datatype;
  value: Value;
  at: number;
  /** Of those that say something about what lies before the camera. */
  quality?: QualityCode;
  unit?: string | undefined;
};

/** Nothing between good and bad is known to the specification; what less can be made of is bad, and `Grade` and `Reason` say more. */
const codes: Record<ReadingQuality, QualityCode> = {
  good: qualities.good,
  uncertain: qualities.bad,
  drifting: qualities.bad,
  'safe-mode': qualities.bad,
  stale: qualities.stale,
};
export const valuePrefix = 'Values/';
export const triggerMetric = 'Inspection/Trigger';
export const acknowledgeMetric = 'Inspection/Acknowledge';

/** `at`: source time of its result. */
export function resultMetrics({ sequence, result, quality }: Reading, at: number): MetricValue[] {
  const code = codes[quality];
  const of = (name: string, datatype: Datatype, value: Value, unit?: string): MetricValue =>
    typeof value === 'number' && !Number.isFinite(value)
      ? { name, datatype, value: null, at, quality: qualities.bad, unit }
      : { name, datatype, value, at, quality: code, unit };
  const { prediction, headline, latencyMs } = result ?? {};
  return [
    of('Class', 'String', headline?.label ?? null),
    of('Class Index', 'Int32', headline?.index ?? null),
    of('Confidence', 'Double', headline?.confidence ?? null),
    of('Count', 'Int32', headline?.count ?? null),
    ...(headline?.values ?? []).map(({ name, value, unit }) => of(valuePrefix + name, 'Double', value, unit)),
    { name: 'Sequence', datatype: 'Int64', value: sequence, at },
    { name: 'Latency', datatype: 'Double', value: latencyMs ?? null, at, unit: 'ms' },
    { name: 'Release', datatype: 'String', value: prediction?.release ?? null, at },
    { name: 'Digest', datatype: 'String', value: prediction?.digest ?? null, at },
    { name: 'Inspection/Result', datatype: 'String', value: prediction?.inspection ?? null, at },
  ];
}

/** What the slot serves, and why its values are graded as they are. */
export function statusMetrics({ quality, reason, status, at }: Reading): MetricValue[] {
  const of = (name: string, datatype: Datatype, value: Value): MetricValue => ({ name, datatype, value, at });
  return [
    of('Grade', 'String', quality),
    of('Reason', 'String', reason ?? ''),
    of('Status', 'String', status.state),
    of('Serving', 'String', status.release ?? ''),
    of('Update', 'String', status.update),
    of('Swaps', 'Int64', status.swaps),
    of('Roll Backs', 'Int64', status.rollBacks),
    of('Drift', 'String', status.drift),
  ];
}

/** Undefined where the slot has no trigger at present. */
export function inspectionMetrics(handshake: Handshake | undefined, at: number): MetricValue[] {
  const of = (name: string, datatype: Datatype, value: Value): MetricValue => ({
    name: `Inspection/${name}`,
    datatype,
    value,
    at,
  });
  const id = handshake && handshake.state !== 'ready' ? handshake.id : '';
  return [
    of('Id', 'String', handshake ? id : null),
    of('Sequence', 'Int64', handshake?.sequence ?? null),
    of('Reason', 'String', handshake?.state === 'error' ? handshake.reason : ''),
    // After what it says something about.
    of('State', 'String', handshake?.state ?? 'none'),
  ];
}

/** What a host may write: each shows what was written last. */
export const commandMetrics = (at: number): MetricValue[] =>
  [triggerMetric, acknowledgeMetric].map((name) => ({ name, datatype: 'String', value: '', at }));

/** Why the last command was not taken; the count tells one from the next that says the same. */
export const refusalMetrics = (reason: string, count: number, at: number): MetricValue[] => [
  { name: 'Inspection/Refused', datatype: 'String', value: reason, at },
  { name: 'Inspection/Refusals', datatype: 'Int64', value: count, at },
];

const counterNames: Record<keyof LaneCounts, string> = {
  captured: 'Captured',
  inferred: 'Inferred',
  refused: 'Refused',
  failed: 'Failed',
  dropped: 'Dropped',
  unasked: 'Unasked',
  retried: 'Retried',
  lost: 'Lost',
};
const counters = Object.entries(counterNames) as [keyof LaneCounts, string][];

export const counterMetrics = (counts: LaneCounts | undefined, at: number): MetricValue[] =>
  counters.map(([key, name]) => ({ name: `Counters/${name}`, datatype: 'Int64', value: counts?.[key] ?? null, at }));
