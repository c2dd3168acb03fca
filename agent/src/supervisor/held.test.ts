import type { Activate, Digest } from '@flotilla/protocol/device';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetOfOne, publish } from './fixtures/fleet-of-one.js';
import { untilAllowed } from './until-allowed.js';

let device: FleetOfOne;
let incumbent: Digest;
let now = 1_000_000;
const waits = 'ready; waits for its time to take over';
const usual = { inferences: 20, timeoutS: 300 };
const candidate = (activate?: Activate) =>
  device.assign(publish(device.server, { 'better.onnx': { is: 'better' } }), usual, activate);
const journaled = () => JSON.parse(readFileSync(join(device.folder, 'journal', 'inspection.json'), 'utf8')).state.update;

beforeEach(async () => {
  now = 1_000_000;
  device = await FleetOfOne.make({ clock: () => now });
  incumbent = publish(device.server, { 'good.onnx': { is: 'good' } });
  await device.reported(device.assign(incumbent), 'committed');
});
afterEach(() => device.end());

describe('a release that may not take over yet', () => {
  it('is fetched and proven, and waits; the incumbent serves, also after a restart', async () => {
    const desired = candidate({ after: now + 3_600_000 });
    expect((await device.reported(desired, 'staged')).reason).toBe(waits);
    expect(journaled()).toMatchObject({ state: 'held', target: { activate: { after: 4_600_000 } } });
    await device.serves(incumbent);
    await device.restart();
    await device.reported(desired, 'offered');
    await device.serves(incumbent);
    expect(device.told(desired)).not.toContain('probation');
  });

  it('takes over by itself when its time has come', async () => {
    const desired = candidate({ after: now + 300 });
    await device.reported(desired, 'staged');
    now += 1000;
    await device.reported(desired, 'committed');
    await device.serves(desired.manifestDigest);
  });

  it('takes over when it is let go, and is fetched only once', async () => {
    const desired = candidate({ hold: true });
    expect((await device.reported(desired, 'staged')).reason).toBe('ready; waits to be told to take over');
    const { activate: _, ...letGo } = desired;
    device.apply([letGo]);
    await device.reported(desired, 'committed');
    expect(device.told(desired).filter((state) => state === 'offered')).toHaveLength(1);
  });

  it('whose window closed before it was ready waits for another one', async () => {
    const desired = candidate({ after: 0, before: now - 1 });
    expect((await device.reported(desired, 'staged')).reason).toBe(waits);
    device.apply([{ ...desired, activate: { after: now, before: now + 1000 } }]);
    await device.reported(desired, 'committed');
  });

  it('is given up for the committed one', async () => {
    const desired = candidate({ hold: true });
    await device.reported(desired, 'staged');
    const back = device.assign(incumbent);
    await device.reported(back, 'committed');
    await device.serves(incumbent);
  });
});

describe('the wait itself', () => {
  it('ends with the candidate', async () => {
    const control = new AbortController();
    const waiting = untilAllowed({ hold: true }, () => 0, control.signal);
    control.abort(new Error('called off'));
    await expect(waiting).rejects.toThrow();
    await expect(untilAllowed({}, () => 0, control.signal)).rejects.toThrow('called off');
  });
  it('is none while the span is open', () => untilAllowed({ after: 5, before: 7 }, () => 5, new AbortController().signal));
});
