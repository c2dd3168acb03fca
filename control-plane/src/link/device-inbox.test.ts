import { readFileSync } from 'node:fs';
import {
  BootId,
  Birth,
  DeviceId,
  encodePayload,
  TenantId,
  toColumns,
  upTopic,
  type UpKind,
  type Welcome,
} from '@flotilla/protocol';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Counters } from '../platform/counters.js';
import { DeviceInbox } from './device-inbox.js';
import type { DeviceSessions, Welcomed } from './device-sessions.js';
import type { Unread } from './waiting-batches.js';

const fixture = new URL('../../../protocol/fixtures/good/Birth.first.json', import.meta.url);
const birth = Birth.parse(JSON.parse(readFileSync(fixture, 'utf8')));
const welcome: Welcome = { v: 1, stream: birth.stream, session: 1, epoch: 0, serverTime: 0, next: 0 };

/** The broker gives no receipt for what is published. */
function anInbox(publish: () => Promise<void> = async () => {}) {
  const counters = new Counters();
  const batches: Unread[] = [];
  const sessions = { born: async (): Promise<Welcomed> => ({ welcome, foreign: false }) } as unknown as DeviceSessions;
  const inbox = new DeviceInbox({
    sessions,
    ingest: { add: async (batch) => void batches.push(batch) },
    presence: { suspect: () => {} },
    alarms: { raise: async () => {} },
    publish,
    reconnect: async () => {},
    counters,
    log: pino({ level: 'silent' }),
    clock: { now: () => new Date() },
  });
  return { inbox, counters, batches };
}

const topicOf = (device: string, kind: UpKind = 'birth') => upTopic(TenantId.parse('default'), DeviceId.parse(device), kind);

it('takes on the next message before the broker has confirmed a welcome: that receipt comes behind a herd of births', async () => {
  let published = 0;
  const { inbox, counters } = anInbox(() => {
    published++;
    return new Promise(() => {});
  });
  await Promise.all(Array.from({ length: 200 }, (_, i) => inbox.receive(topicOf(`dev-${i}`), encodePayload(birth))));
  expect(published).toBe(200);
  expect(counters.snapshot()['link.births']).toBe(200);
});

it('counts a welcome that could not be sent: the birth comes again', async () => {
  const { inbox, counters } = anInbox(() => Promise.reject(new Error('not connected')));
  await inbox.receive(topicOf('dev-1'), encodePayload(birth));
  await new Promise(setImmediate);
  expect(counters.snapshot()['link.welcomes-failed']).toBe(1);
});

const batch = {
  v: 1,
  stream: birth.stream,
  boot: BootId.parse('b9d5a3a0-7c1e-4f5b-8a11-0d3c2b1a0f9e'),
  uptime: 1,
  base: 0,
  seq0: 7,
  records: toColumns([]),
};

it('keeps a batch as it came until its turn, when what the socket has read long since is something else', async () => {
  const { inbox, batches, counters } = anInbox();
  const payload = encodePayload(batch);
  await inbox.receive(topicOf('dev-1', 'telemetry'), payload);
  payload.fill(0);
  expect(batches[0]!.read()).toMatchObject({ sender: { device: 'dev-1' }, seq0: 7, records: [] });
  expect(counters.snapshot()).toEqual({});
});

it.each([
  ['link.malformed', Buffer.from('{"v":1')],
  ['link.malformed', Buffer.from([0x1f, 0x8b, 8, 0])],
  ['link.malformed', encodePayload({ ...batch, seq0: -1 })],
  ['link.unknown-version', encodePayload({ ...batch, v: 2 })],
])('counts what cannot be read as %s at its turn, and goes on', async (counter, payload) => {
  const { inbox, batches, counters } = anInbox();
  for (const sent of [payload, encodePayload(batch)]) await inbox.receive(topicOf('dev-1', 'event'), sent);
  expect(batches.map(({ read }) => read()?.seq0)).toEqual([undefined, 7]);
  expect(counters.snapshot()).toEqual({ [counter]: 1 });
});
