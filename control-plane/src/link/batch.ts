import {
  Batch,
  EventRecord,
  fromColumns,
  quickCheck,
  TelemetryRecord,
  type BootId,
  type DeviceId,
  type StreamId,
  type TenantId,
} from '@flotilla/protocol';

export type Sender = Readonly<{ tenant: TenantId; device: DeviceId }>;
export type DeviceRecord = TelemetryRecord | EventRecord;
/** A record that was read, or why not, with what came. */
export type ReadRecord = { record: DeviceRecord } | { refused: string; raw: unknown };

/** One `up/telemetry` or `up/event` message: record i has sequence number seq0 + i. */
export type ReceivedBatch = Readonly<{
  sender: Sender;
  stream: StreamId;
  boot: BootId;
  uptime: number;
  base: number;
  seq0: number;
  records: readonly ReadRecord[];
  receivedAt: Date;
}>;
export type Unreadable = { unreadable: string };

const recordSchemas = { telemetry: TelemetryRecord, event: EventRecord };
const isBatch = quickCheck(Batch);
const isRecord = { telemetry: quickCheck(TelemetryRecord), event: quickCheck(EventRecord) };

/** Each record is parsed on its own: one bad record must not cost its neighbours. */
export function readBatch(
  kind: keyof typeof recordSchemas,
  message: unknown,
  from: Pick<ReceivedBatch, 'sender' | 'receivedAt'>,
): ReceivedBatch | Unreadable {
  const envelope = isBatch(message) ? { success: true as const, data: message as Batch } : Batch.safeParse(message);
  if (!envelope.success) return { unreadable: inWords(envelope.error.issues) };
  const { stream, boot, uptime, base, seq0, records } = envelope.data;
  if (!Number.isSafeInteger(seq0 + records.n)) return { unreadable: `seq0: ${seq0} leaves no room for ${records.n} records` };
  return { ...from, stream, boot, uptime, base, seq0, records: fromColumns(records).map((raw) => readRecord(kind, raw)) };
}

function readRecord(kind: keyof typeof recordSchemas, raw: unknown): ReadRecord {
  if (isRecord[kind](raw)) return { record: raw as DeviceRecord };
  const record = recordSchemas[kind].safeParse(raw);
  return record.success ? { record: record.data } : { refused: inWords(record.error.issues), raw };
}

/** Some of it was measured so short a time ago, in seconds, that somebody may be looking. */
const liveS = 120;
export const isLive = ({ boot, uptime, records }: ReceivedBatch): boolean =>
  records.some((read) => 'record' in read && read.record.boot === boot && uptime - madeAt(read.record) <= liveS);
const madeAt = (record: DeviceRecord) => ('end' in record ? record.end : record.uptime);

type Issue = { path: PropertyKey[]; message: string };
export const inWords = (issues: readonly Issue[]) =>
  issues
    .slice(0, 5)
    .map((issue) => `${issue.path.map(String).join('.') || 'message'}: ${issue.message}`)
    .join('; ');

/** Two halves of a batch; null for one that holds a single record, or none. */
export function halves(batch: ReceivedBatch): [ReceivedBatch, ReceivedBatch] | null {
  const middle = Math.floor(batch.records.length / 2);
  if (middle === 0) return null;
  return [
    { ...batch, records: batch.records.slice(0, middle) },
    { ...batch, seq0: batch.seq0 + middle, records: batch.records.slice(middle) },
  ];
}
