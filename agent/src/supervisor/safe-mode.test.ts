import type { DesiredSlot } from '@flotilla/protocol';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetOfOne, inspection, publish, stubPath, until } from './fixtures/fleet-of-one.js';
import { ask, freePort } from './fixtures/loopback.js';

let device: FleetOfOne;
afterEach(() => device.end());
async function committed(is: string): Promise<DesiredSlot> {
  const desired = device.assign(publish(device.server, { 'good.onnx': { is } }));
  await device.reported(desired, 'committed');
  return desired;
}

// The stub is built by `npm test` before anything is run.
describe.skipIf(!existsSync(stubPath))('a slot in safe mode', () => {
  it('answers each request with the reason within a second, and hands over to what serves next', async () => {
    const port = await freePort();
    const source = { directory: '.', perSecond: 100, then: 'repeat' } as const;
    device = await FleetOfOne.make({ random: () => 0.1, slots: { inspection: { listen: { host: '127.0.0.1', port }, source } } });
    const first = await committed('good');
    const request = () => fetch(`http://127.0.0.1:${port}/v2/models/${inspection}/infer`, { method: 'POST', body: '{}' });
    await device.restart(() => {
      const file = join(device.folder, 'journal', `${inspection}.json`);
      const journal = JSON.parse(readFileSync(file, 'utf8')) as object;
      writeFileSync(file, JSON.stringify({ ...journal, bootCount: 6 }));
    });
    await until(
      () =>
        request().then(
          () => true,
          () => false,
        ),
      () => 'nobody answers',
    );
    await until(
      () => device.runners().length === 0,
      () => 'the runner that was begun still holds memory',
    );
    const refused = await request();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toEqual({
      error: 'no model serves here: safe mode: 7 starts without a steady runner between them',
    });
    const latest = await fetch(`http://127.0.0.1:${port}/v1/slots/${inspection}/predictions/latest`);
    expect([latest.status, await latest.json()]).toEqual([
      503,
      { error: expect.stringMatching(/^no model serves here: safe mode: /), quality: 'safe-mode' },
    ]);
    const alive = await fetch(`http://127.0.0.1:${port}/v2/health/live`);
    expect([alive.status, await alive.json()]).toEqual([200, { live: true }]);
    const next = await committed('another');
    expect(next.manifestDigest).not.toBe(first.manifestDigest);
    await until(
      async () => (await Promise.race([ask(port), delay(300)]).catch(() => '')) === next.manifestDigest,
      () => 'the stub still answers',
    );
  });
});
