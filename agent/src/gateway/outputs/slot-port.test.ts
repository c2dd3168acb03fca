import { SlotName, TriggerConfig } from '@flotilla/protocol/device';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SlotStatus } from '../../gateway-protocol.js';
import { aPrediction } from '../fixtures/predictions.js';
import { Inspections } from '../inspections.js';
import { Results } from '../results.js';
import type { Reading } from './reading.js';
import { type Cause, type PortSource, SlotPort } from './slot-port.js';

const slot = SlotName.parse('inspection');
const status = (differently: Partial<SlotStatus> = {}): SlotStatus => ({
  slot,
  state: 'serving',
  update: 'idle',
  swaps: 0,
  rollBacks: 0,
  drift: 'none',
  ...differently,
});
const counts = { captured: 0, inferred: 0, refused: 0, failed: 0, dropped: 0, unasked: 0, retried: 0, lost: 0 };
const sourceWith = (staleMs: number): PortSource & { results: Results } => ({
  results: new Results(staleMs),
  inspections: undefined,
  lane: { counts },
});
const publish = (results: Results) =>
  results.publish(aPrediction(), {
    capturedAt: 5,
    latencyMs: 1,
    seen: { payload: { kind: 'encoded' }, bytes: new Uint8Array() },
  });

let port: SlotPort;
let heard: [Cause, Reading['quality'], number][];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  port = new SlotPort(slot);
  heard = [];
  port.subscribe(({ quality, sequence }, cause) => heard.push([cause, quality, sequence]));
});
afterEach(() => {
  port.close();
  vi.useRealTimers();
});

it('tells when a result grows old, once, and when there is a new one', () => {
  const source = sourceWith(1000);
  port.attach(source);
  publish(source.results);
  vi.advanceTimersByTime(900);
  publish(source.results);
  vi.advanceTimersByTime(999);
  expect(port.latest.quality).toBe('good');
  vi.advanceTimersByTime(10_000);
  publish(source.results);
  expect(heard).toEqual([
    ['result', 'good', 1],
    ['result', 'good', 2],
    ['quality', 'stale', 3],
    ['result', 'good', 4],
  ]);
});

it('goes on counting, and grows old, when the source is another', () => {
  const [first, second] = [sourceWith(1000), sourceWith(1000)];
  port.attach(first);
  publish(first.results);
  port.attach(second);
  publish(first.results);
  publish(second.results);
  port.detach();
  vi.advanceTimersByTime(2000);
  expect(heard.map(([cause, quality, n]) => `${n} ${cause} ${quality}`)).toEqual([
    '1 result good',
    '2 result good',
    '3 quality stale',
  ]);
});

it('presents nothing as good that is made in safe mode or while inputs drift', () => {
  const source = sourceWith(1000);
  port.attach(source);
  publish(source.results);
  port.told(status({ drift: 'drifting' }));
  port.told(status({ state: 'safe-mode' }));
  publish(source.results);
  port.told(status());
  expect(heard.map(([cause, quality]) => `${cause} ${quality}`)).toEqual([
    'result good',
    'status drifting',
    'status safe-mode',
    'result safe-mode',
    'status good',
  ]);
});

it('tells of the handshake of whichever trigger the slot has', () => {
  const states: (string | undefined)[] = [];
  const unfollow = port.followTrigger((handshake) => states.push(handshake?.state));
  const inspections = new Inspections(TriggerConfig.parse({ timeoutMs: 1000 }));
  port.attach({ ...sourceWith(1000), inspections });
  inspections.command('a');
  inspections.fail('a', 'no picture');
  port.attach(sourceWith(1000));
  inspections.command('b');
  unfollow();
  port.attach({ ...sourceWith(1000), inspections });
  expect(states).toEqual(['ready', 'busy', 'error', undefined]);
  inspections.stop('the test is over');
});
