import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AlarmEvent } from '@flotilla/protocol/device';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../fixtures/eventually.js';
import { anInferenceWindow } from '../fixtures/telemetry.js';
import { sourceHook } from './fixtures/source-hook.js';
import { Outbox } from './outbox.js';

let folder: string;
let outbox: Outbox;
const open = async (unwrittenS = 30, maxBytes = 1e6) => {
  const limits = { maxBytes, maxAgeS: 1e6 };
  const onDeath = (error: Error) => {
    throw error;
  };
  const file = join(folder, 'outbox.db');
  const more = { unwrittenS, onAlarm: () => {}, onDeath, execArgv: ['--import', sourceHook] };
  const opened = new Outbox({ file, thumbprint: 'x', limits, ...more });
  await opened.opened;
  return opened;
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-outbox-'));
  outbox = await open();
});
afterEach(async () => {
  await outbox.close();
  await rm(folder, { recursive: true, force: true });
});

const window = anInferenceWindow();
const event = AlarmEvent.parse({ type: 'alarm', boot: window.boot, uptime: 1, name: 'test', message: 'a test' });

test('windows wait for others before they are written, but not when they are asked for', async () => {
  outbox.append(window);
  expect(await outbox.nextBatch('event')).toBeUndefined();
  expect(outbox.state.records).toBe(0);
  expect((await outbox.nextBatch('window'))?.bodies).toEqual([JSON.stringify(window)]);
  expect(outbox.state.records).toBe(1);
});

test('an event is written at once, with what waited', async () => {
  outbox.append(window);
  outbox.append(event);
  await eventually(() => outbox.state.records === 2);
});

test('many windows do not wait', async () => {
  for (let i = 0; i < 200; i++) outbox.append(window);
  await eventually(() => outbox.state.records === 200);
});

test('windows wait no longer than they may', async () => {
  await outbox.close();
  outbox = await open(0);
  outbox.append(window);
  await eventually(() => outbox.state.records === 1);
});

test('what waits is there after a proper end', async () => {
  outbox.append(window);
  await outbox.close();
  outbox = await open();
  expect(outbox.state).toMatchObject({ records: 1, unsent: { window: 1 } });
});

test('windows that are too many become coarser, by what is loaded only then', async () => {
  await outbox.close();
  const bytes = Buffer.byteLength(JSON.stringify(window));
  outbox = await open(0, 10 * bytes);
  const { start, end } = window;
  for (let i = 0; i < 20; i++) outbox.append({ ...window, start: start + i * (end - start), end: end + i * (end - start) });
  await outbox.flush();
  await eventually(() => outbox.state.bytes <= 10 * bytes);
  expect(outbox.state).toMatchObject({ dropped: 0 });
});
