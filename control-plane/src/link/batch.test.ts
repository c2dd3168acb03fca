import { DeviceId, TenantId, toColumns } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { halves, isLive, readBatch, type ReceivedBatch } from './batch.js';

const boot = '0192f3a0-0000-7000-8000-000000000001';
const alarm = { type: 'alarm', boot, uptime: 5, name: 'hot', message: 'too hot' };
const from = {
  sender: { tenant: TenantId.parse('default'), device: DeviceId.parse('d1') },
  receivedAt: new Date(0),
};
const message = (records: readonly Record<string, unknown>[], more: object = {}) => ({
  v: 1,
  stream: '0'.repeat(32),
  boot,
  uptime: 9,
  base: 0,
  seq0: 4,
  records: toColumns(records),
  ...more,
});
const read = (content: unknown, kind: 'telemetry' | 'event' = 'event') => readBatch(kind, content, from) as ReceivedBatch;

describe('a batch', () => {
  it('is read record by record, unknown fields dropped', () => {
    expect(read(message([{ ...alarm, colour: 'red' }])).records).toEqual([{ record: alarm }]);
  });

  it('keeps good records beside bad ones, which say what is wrong with them', () => {
    const { records } = read(message([alarm, { ...alarm, uptime: -1 }, { ...alarm, type: 'smell' }, alarm]));
    expect(records.map((r) => ('refused' in r ? r.refused : 'read'))).toEqual([
      'read',
      expect.stringContaining('uptime'),
      expect.stringContaining('type'),
      'read',
    ]);
  });

  it('takes events for events only', () => {
    expect(read(message([alarm]), 'telemetry').records[0]).toMatchObject({
      refused: expect.stringContaining('type'),
      raw: alarm,
    });
  });

  it.each([
    ['another version', message([alarm], { v: 2 }), /v/],
    ['columns of different lengths', message([], { records: { n: 2, columns: { type: ['alarm'] } } }), /columns differ/],
    ['numbers past what can be counted', message([alarm], { seq0: Number.MAX_SAFE_INTEGER }), /no room/],
    ['no object', null, /expected object/],
  ])('is not readable with %s', (_name, content, reason) => {
    expect(readBatch('event', content, from)).toEqual({ unreadable: expect.stringMatching(reason) });
  });

  it('is live if any of it was measured a moment ago, as far as one can know', () => {
    const at = (uptime: number, of = boot) => ({ ...alarm, uptime, boot: of });
    const live = (...records: object[]) => isLive(read(message(records as Record<string, unknown>[], { uptime: 9000 })));
    expect([live(at(100), at(8900)), live(at(100), at(8800)), live(at(8999, boot.replace('1', '2')))]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('is halved down to single records, each keeping its sequence number', () => {
    const [first, second] = halves(read(message([alarm, alarm, alarm])))!;
    expect([first.seq0, first.records.length, second.seq0, second.records.length]).toEqual([4, 1, 5, 2]);
    expect(halves(first)).toBeNull();
  });
});
