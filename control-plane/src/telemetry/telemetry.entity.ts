import type { BaselineCounts } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';
import { int8 } from '../platform/number-column.js';

/** Cursor of one outbox: all below `upTo` is resolved, `ranges` (inclusive pairs) above it too. */
export interface DeviceStreamRow {
  stream: string;
  device: string;
  keyThumbprint: string;
  upTo: number;
  ranges: [number, number][];
  /** One above the highest sequence number seen. */
  next: number;
  /** Records that the device resolved as dropped without ever having delivered them. */
  lost: number;
  refused: number;
}
export const DeviceStreamRow = new EntitySchema<DeviceStreamRow>({
  name: 'device_stream',
  columns: {
    stream: { type: 'text', primary: true },
    device: { type: 'text' },
    keyThumbprint: { type: 'text', name: 'key_thumbprint' },
    upTo: { type: 'int8', name: 'up_to', default: 0, transformer: int8 },
    ranges: { type: 'jsonb', default: [] },
    next: { type: 'int8', default: 0, transformer: int8 },
    lost: { type: 'int8', default: 0, transformer: int8 },
    refused: { type: 'int8', default: 0, transformer: int8 },
  },
  indices: [{ name: 'device_stream_device', columns: ['device'] }],
});

/**
 * One window of one slot; latency sketches as fixed-bin arrays beginning at bin `…First`. Like vitals partitioned by the day it
 * was received, so the day is part of the key; the entities know nothing else of it.
 */
export interface TelemetryWindowRow {
  id: number;
  device: string;
  slot: string;
  deployment: string;
  digest: string;
  variant: string;
  startedAt: Date;
  endedAt: Date;
  receivedAt: Date;
  /** Recorded in an earlier boot: its time is a guess. */
  uncertain: boolean;
  ok: number;
  errors: number;
  sheds: number;
  computeCpuUs: number;
  queueFirst: number;
  queue: number[];
  computeFirst: number;
  compute: number[];
  totalFirst: number;
  total: number[];
  slow: Record<string, number>;
  classes: Record<string, number>;
  otherClasses: number;
  scores: number[];
  queueDepthMax: number;
  rssBytes: number | null;
  restarts: number | null;
  /** Verdicts on predictions that were given in it. */
  confirmed: number | null;
  rejected: number | null;
  corrected: number | null;
  /** How the board was; null: it has no such sensor. */
  temperatureMaxC: number | null;
  throttledMs: number | null;
  energyMj: number | null;
  baseline: BaselineCounts | null;
}
export const TelemetryWindowRow = new EntitySchema<TelemetryWindowRow>({
  name: 'telemetry_window',
  columns: {
    id: { type: 'int8', primary: true, generated: 'increment', transformer: int8 },
    device: { type: 'text' },
    slot: { type: 'text' },
    deployment: { type: 'uuid' },
    digest: { type: 'text' },
    variant: { type: 'text' },
    startedAt: { type: 'timestamptz', name: 'started_at' },
    endedAt: { type: 'timestamptz', name: 'ended_at' },
    receivedAt: { type: 'timestamptz', name: 'received_at', primary: true },
    uncertain: { type: 'boolean' },
    ok: { type: 'int' },
    errors: { type: 'int' },
    sheds: { type: 'int' },
    computeCpuUs: { type: 'int8', name: 'compute_cpu_us', transformer: int8 },
    queueFirst: { type: 'smallint', name: 'queue_first' },
    queue: { type: 'int', array: true },
    computeFirst: { type: 'smallint', name: 'compute_first' },
    compute: { type: 'int', array: true },
    totalFirst: { type: 'smallint', name: 'total_first' },
    total: { type: 'int', array: true },
    slow: { type: 'jsonb' },
    classes: { type: 'jsonb' },
    otherClasses: { type: 'int', name: 'other_classes' },
    scores: { type: 'int', array: true },
    queueDepthMax: { type: 'int', name: 'queue_depth_max' },
    rssBytes: { type: 'int8', name: 'rss_bytes', nullable: true, transformer: int8 },
    restarts: { type: 'int', nullable: true },
    confirmed: { type: 'int', nullable: true },
    rejected: { type: 'int', nullable: true },
    corrected: { type: 'int', nullable: true },
    temperatureMaxC: { type: 'real', name: 'temperature_max_c', nullable: true },
    throttledMs: { type: 'int', name: 'throttled_ms', nullable: true },
    energyMj: { type: 'int8', name: 'energy_mj', nullable: true, transformer: int8 },
    baseline: { type: 'jsonb', nullable: true },
  },
  indices: [
    { name: 'telemetry_window_slot', columns: ['device', 'slot', 'digest', 'receivedAt'] },
    { name: 'telemetry_window_received', columns: ['receivedAt'] },
  ],
});

export interface VitalsRow {
  id: number;
  device: string;
  startedAt: Date;
  endedAt: Date;
  receivedAt: Date;
  /** The record as the device sent it. */
  vitals: Record<string, unknown>;
}
export const VitalsRow = new EntitySchema<VitalsRow>({
  name: 'vitals',
  columns: {
    id: { type: 'int8', primary: true, generated: 'increment', transformer: int8 },
    device: { type: 'text' },
    startedAt: { type: 'timestamptz', name: 'started_at' },
    endedAt: { type: 'timestamptz', name: 'ended_at' },
    receivedAt: { type: 'timestamptz', name: 'received_at', primary: true },
    vitals: { type: 'jsonb' },
  },
  indices: [
    { name: 'vitals_device', columns: ['device', 'receivedAt'] },
    { name: 'vitals_received', columns: ['receivedAt'] },
  ],
});

/** A record that could not be read: acknowledged as refused, kept for people to look at. */
export interface DeadLetterRow {
  id: number;
  device: string;
  stream: string;
  seq: number;
  at: Date;
  reason: string;
  record: unknown;
}
export const DeadLetterRow = new EntitySchema<DeadLetterRow>({
  name: 'dead_letter',
  columns: {
    id: { type: 'int8', primary: true, generated: 'increment', transformer: int8 },
    device: { type: 'text' },
    stream: { type: 'text' },
    seq: { type: 'int8', transformer: int8 },
    at: { type: 'timestamptz' },
    reason: { type: 'text' },
    record: { type: 'jsonb' },
  },
});
