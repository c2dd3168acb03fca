import type { DatabaseSync } from 'node:sqlite';

export type RecordClass = 'event' | 'window';
export interface NewRecord {
  readonly class: RecordClass;
  /** The record as JSON: kept as it is until it is acknowledged. */
  readonly body: string;
}
/** Record i has sequence number seq0 + i. */
export interface OutboxBatch {
  readonly class: RecordClass;
  readonly seq0: number;
  readonly bodies: readonly string[];
}
export interface BatchLimits {
  readonly maxBytes: number;
  readonly maxRecords: number;
}
export interface OutboxAck {
  readonly upTo: number;
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly refused: readonly number[];
}
export interface OutboxState {
  readonly stream: string;
  /** Next sequence number, and the lowest that is still held (or `next`). */
  readonly next: number;
  readonly base: number;
  readonly records: number;
  readonly bytes: number;
  readonly dropped: number;
  readonly unsent: Readonly<Record<RecordClass, number>>;
  readonly durable: boolean;
}
/** What could be read of an outbox that is no longer used; without a name where even that could not. */
export interface HeldRecords {
  /** Records with a number, which may have arrived, and those without one. */
  readonly sent: number;
  readonly unsent: number;
  readonly stream?: string;
  readonly next?: number;
  readonly dropped?: number;
}
/** Merges the oldest telemetry that has no number until so many bytes are free, or nothing more can be; gives what it freed. */
export type Coarsen = (database: DatabaseSync, wanted: number) => number;
export interface OutboxLimits {
  readonly maxBytes: number;
  /** In seconds that the agent ran: the wall clock of a device may jump by decades. */
  readonly maxAgeS: number;
}
