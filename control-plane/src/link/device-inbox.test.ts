import { readFileSync } from 'node:fs';
import { Birth, DeviceId, encodePayload, TenantId, upTopic, type Welcome } from '@flotilla/protocol';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Counters } from '../platform/counters.js';
import { DeviceInbox } from './device-inbox.js';
import type { DeviceSessions, Welcomed } from './device-sessions.js';

const fixture = new URL('../../../protocol/fixtures/good/Birth.first.json', import.meta.url);
const birth = Birth.parse(JSON.parse(readFileSync(fixture, 'utf8')));
const welcome: Welcome = { v: 1, stream: birth.stream, session: 1, epoch: 0, serverTime: 0, next: 0 };

/** The broker gives no receipt for what is published. */
function anInbox(publish: () => Promise<void>) {
  const counters = new Counters();
  const sessions = { born: async (): Promise<Welcomed> => ({ welcome, foreign: false }) } as unknown as DeviceSessions;
  const inbox = new DeviceInbox({
    sessions,
    ingest: { add: async () => {} },
    presence: { suspect: () => {} },
    alarms: { raise: async () => {} },
    publish,
    reconnect: async () => {},
    counters,
    log: pino({ level: 'silent' }),
    clock: { now: () => new Date() },
  });
  return { inbox, counters };
}

const topicOf = (device: string) => upTopic(TenantId.parse('default'), DeviceId.parse(device), 'birth');

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
