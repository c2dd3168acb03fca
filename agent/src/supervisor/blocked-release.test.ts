import type { BlockedRelease, DesiredSlot } from '@flotilla/protocol/device';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetOfOne, inspection, publish, stubPath, until } from './fixtures/fleet-of-one.js';
import { ask, freePort } from './fixtures/loopback.js';

let device: FleetOfOne;
let port: number;
afterEach(() => device.end());

async function aDevice(): Promise<void> {
  port = await freePort();
  device = await FleetOfOne.make({ random: () => 0.1, slots: { inspection: { listen: { http: { host: '127.0.0.1', port } } } } });
}
async function committed(is: string): Promise<DesiredSlot> {
  const desired = device.assign(publish(device.server, { 'good.onnx': { is } }));
  await device.reported(desired, 'committed');
  return desired;
}
const blocked = ({ manifestDigest: digest }: DesiredSlot): BlockedRelease[] => [
  { slot: inspection, digest, reason: 'the release was blocked: it bites' },
];
const refused = async () => {
  const response = await fetch(`http://127.0.0.1:${port}/v2/models/${inspection}/infer`, { method: 'POST', body: '{}' });
  return [response.status, response.status === 503 ? ((await response.json()) as { error: string }).error : ''];
};
const why = [503, 'no model serves here: the release was blocked: it bites'];
const refuses = () =>
  until(
    async () => JSON.stringify(await refused().catch(() => [])) === JSON.stringify(why),
    () => 'clients are not told why',
  );

// The stub is built by `npm test` before anything is run.
describe.skipIf(!existsSync(stubPath))('a slot whose release was blocked', () => {
  it('stops where there is nothing to go back to, and tells its clients why, after a start too', async () => {
    await aDevice();
    const killed = await committed('killed');
    device.apply([], blocked(killed));
    await refuses();
    expect(device.slots.reported()).toEqual([{ slot: inspection, state: 'idle' }]);
    expect(device.reports.at(-1)).toMatchObject({ state: 'idle', reason: 'the release was blocked: it bites' });
    expect(device.runners()).toEqual([]);
    await device.restart();
    await refuses();
    expect(device.runners()).toEqual([]);
  });

  it('goes back to the one before it at once, without a download', async () => {
    await aDevice();
    const good = await committed('good');
    const killed = await committed('killed');
    const back = { ...good, deployment: killed.deployment.replace(/1|2/, '9') as DesiredSlot['deployment'] };
    device.apply([back], blocked(killed));
    await device.reported(back, 'committed');
    await device.serves(good.manifestDigest);
    expect(await ask(port)).toBe(good.manifestDigest);
  });

  it('stops when what should take its place fails, instead of going on', async () => {
    await aDevice();
    const killed = await committed('killed');
    const other = device.assign(publish(device.server, { 'a.onnx': { preflight: { failure: 'golden' } } }));
    device.apply([other], blocked(killed));
    await device.reported(other, 'failed golden');
    await refuses();
    expect(device.slots.reported()[0]).toMatchObject({ state: 'failed' });
    expect(device.slots.reported()[0]?.committed).toBeUndefined();
  });
});
