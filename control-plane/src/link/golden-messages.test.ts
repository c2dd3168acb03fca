import { Batch, BootId, DeviceId, EventRecord, StreamId, TelemetryRecord, TenantId, toColumns } from '@flotilla/protocol';
import { fixtures } from '@flotilla/protocol/fixtures';
import { describe, expect, it } from 'vitest';
import { readBatch } from './batch.js';

const from = {
  sender: { tenant: TenantId.parse('default'), device: DeviceId.parse('lyon-1') },
  receivedAt: new Date(0),
};
const recordKinds = { TelemetryRecord: 'telemetry', EventRecord: 'event' } as const;
const isRecord = (schema: string): schema is keyof typeof recordKinds => schema in recordKinds;
const batchOf = (message: unknown) => ({
  v: 1,
  stream: StreamId.parse('0'.repeat(32)),
  boot: BootId.parse('b9d5a3a0-7c1e-4f5b-8a11-0d3c2b1a0f9e'),
  uptime: 1,
  base: 0,
  seq0: 0,
  records: toColumns([message as Record<string, unknown>]),
});

describe('ingest reads the golden messages of the wire', () => {
  const good = fixtures('good');
  const bad = fixtures('bad');

  it.each(good.filter((f) => f.schema === 'Batch'))('takes $name whole', ({ message, name }) => {
    const batch = readBatch(name.endsWith('event') ? 'event' : 'telemetry', message, from);
    expect('records' in batch && batch.records.every((record) => 'record' in record) && batch.records.length).toBe(
      Batch.parse(message).records.n,
    );
  });
  it.each(bad.filter((f) => f.schema === 'Batch'))('drops $name, saying where', ({ message, at }) => {
    expect(readBatch('event', message, from)).toMatchObject({ unreadable: expect.stringContaining(at) });
  });
  it.each(good.filter((f) => isRecord(f.schema)))('keeps $name', ({ schema, message }) => {
    const expected = { TelemetryRecord, EventRecord }[schema as keyof typeof recordKinds].parse(message);
    expect(readBatch(recordKinds[schema as keyof typeof recordKinds], batchOf(message), from)).toMatchObject({
      records: [{ record: expected }],
    });
  });
  it.each(bad.filter((f) => isRecord(f.schema)))('refuses $name alone, saying where', ({ schema, message, at }) => {
    const batch = readBatch(recordKinds[schema as keyof typeof recordKinds], batchOf(message), from);
    expect(batch).toMatchObject({ records: [{ refused: expect.stringContaining(at) }] });
  });
});
