import type { Handshake } from '../../../core/inspection.js';
import type { Reading, ReadingQuality } from '../reading.js';

/** One moment of a slot. */
export type Moment = { reading: Reading; handshake: Handshake | undefined };
export type FieldType = 'String' | 'Int32' | 'UInt32' | 'Double' | 'DateTime';
export type FieldValue = string | number | Date;
export type Field = {
  name: string;
  type: FieldType;
  description: string;
  /** `result`: its status and source time are the result's. `slot`: it is known at any time. */
  of: 'result' | 'slot';
  read: (moment: Moment) => FieldValue;
};

const none = { label: '', index: -1, confidence: 0, count: 0, values: [] } as const;
export const headlineIn = ({ result }: Reading) => result?.headline ?? none;

/** What each slot's object shows besides measured values and counters; the order is that of browsing. */
export const fields: readonly Field[] = [
  result(
    'Class',
    'String',
    'The decision that holds, else the best class, text or label; empty where nothing was found',
    (it) => headlineIn(it).label,
  ),
  result('ClassIndex', 'Int32', 'Place of the class in the model’s answer; -1 where it has none', (it) => headlineIn(it).index),
  result('Confidence', 'Double', '0 to 1, or the score of an anomaly', (it) => headlineIn(it).confidence),
  result('Count', 'UInt32', 'How many things were found', (it) => headlineIn(it).count),
  result('CapturedAt', 'DateTime', 'When the input was taken', (it) => new Date(it.result?.capturedAt ?? 0)),
  result('Latency', 'Double', 'Milliseconds from capture to result', (it) => it.result?.latencyMs ?? 0),
  result(
    'InspectionId',
    'String',
    'The inspection that the result is of; empty for none',
    (it) => it.result?.prediction.inspection ?? '',
  ),
  slot(
    'InspectionState',
    'String',
    'Of the trigger: ready, busy, done or error; empty without one',
    ({ handshake }) => handshake?.state ?? '',
  ),
  slot('InspectionSequence', 'UInt32', 'Counts commands of the trigger', ({ handshake }) => handshake?.sequence ?? 0),
  slot(
    'Sequence',
    'UInt32',
    'Counts the readings of this slot since the gateway began',
    ({ reading }) => reading.sequence % 2 ** 32,
  ),
  slot('Quality', 'String', 'good, uncertain, drifting, stale or safe-mode', ({ reading }) => reading.quality),
  slot('QualityReason', 'String', 'Why it is not good', ({ reading }) => reading.reason ?? ''),
  slot('Status', 'String', 'empty, serving or safe-mode', ({ reading }) => reading.status.state),
  slot('Update', 'String', 'What an update of the slot is at', ({ reading }) => reading.status.update),
  slot('Release', 'String', 'model@version that serves', ({ reading }) => reading.status.release ?? ''),
  slot('Digest', 'String', 'Of the release', ({ reading }) => reading.status.digest ?? ''),
  slot('Deployment', 'String', 'By which it came', ({ reading }) => reading.status.deployment ?? ''),
  slot('Drift', 'String', 'unknown, none or drifting', ({ reading }) => reading.status.drift),
  slot('Swaps', 'UInt32', 'Releases that took over since the agent began', ({ reading }) => reading.status.swaps),
  slot('RollBacks', 'UInt32', 'Releases that were taken back since the agent began', ({ reading }) => reading.status.rollBacks),
];

function result(name: string, type: FieldType, description: string, read: (reading: Reading) => FieldValue): Field {
  return { name, type, description, of: 'result', read: ({ reading }) => read(reading) };
}
function slot(name: string, type: FieldType, description: string, read: Field['read']): Field {
  return { name, type, description, of: 'slot', read };
}

/** What stands where there is no value that may be used: a client that overlooks the status shows nothing that looks like one. */
export const emptyOf: Record<FieldType, FieldValue> = {
  String: '',
  Int32: -1,
  UInt32: 0,
  Double: 0,
  DateTime: new Date(0),
};

/** OPC UA Part 8: a bad one has no value, an uncertain one a value that is not to be relied upon. */
export type StatusName =
  | 'Good'
  | 'UncertainSubNormal'
  | 'UncertainLastUsableValue'
  | 'BadWaitingForInitialData'
  | 'BadOutOfService'
  | 'BadNoData';

export function statusOf(quality: ReadingQuality, hasResult: boolean): StatusName {
  if (quality === 'safe-mode') return 'BadOutOfService';
  if (!hasResult) return 'BadWaitingForInitialData';
  if (quality === 'stale') return 'UncertainLastUsableValue';
  return quality === 'good' ? 'Good' : 'UncertainSubNormal';
}
export const isBad = (status: StatusName): boolean => status.startsWith('Bad');
