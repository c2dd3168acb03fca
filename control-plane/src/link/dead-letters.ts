import type { DeviceId, StreamId } from '@flotilla/protocol';
import type { EntityManager } from 'typeorm';

export type DeadLetter = { device: DeviceId; stream: StreamId; seq: number; at: Date; reason: string; record: unknown };

/** Keeps records that could not be taken, for people to look at. */
export async function storeDeadLetters(tx: EntityManager, letters: readonly DeadLetter[]): Promise<void> {
  if (letters.length === 0) return;
  await tx.query(
    `INSERT INTO dead_letter (device, stream, seq, at, reason, record)
     SELECT device, stream, seq, at, reason, record::jsonb
     FROM unnest($1::text[], $2::text[], $3::int8[], $4::timestamptz[], $5::text[], $6::text[]) l(device, stream, seq, at, reason, record)`,
    [
      letters.map((l) => l.device),
      letters.map((l) => l.stream),
      letters.map((l) => l.seq),
      letters.map((l) => l.at),
      letters.map((l) => storable(l.reason)),
      letters.map((l) => JSON.stringify(deepStorable(l.record))),
    ],
  );
}

/** PostgreSQL's text and jsonb hold neither NUL nor half a surrogate pair: the very things that make a record a dead letter. */
const storable = (text: string) => text.toWellFormed().replaceAll('\0', '\u{fffd}');

function deepStorable(value: unknown): unknown {
  if (typeof value === 'string') return storable(value);
  if (Array.isArray(value)) return value.map(deepStorable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storable(key), deepStorable(item)]));
}
