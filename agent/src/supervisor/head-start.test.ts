import { createServer, type AddressInfo } from 'node:net';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeRunner, inspection, publish, quiet, stubPath, FleetOfOne, temporaryFolder } from './fixtures/fleet-of-one.js';
import { HeadStart, journalFolder } from './head-start.js';

const program = { path: fakeRunner, stubPath, log: quiet };
const anywhere = { listen: { http: { host: '127.0.0.1', port: 0 } } };
let dataDir: string;
let begun: HeadStart | undefined;
beforeEach(async () => {
  dataDir = await temporaryFolder();
  await mkdir(journalFolder(dataDir));
});
afterEach(async () => {
  begun?.close();
  await rm(dataDir, { recursive: true, force: true });
});

const lastGood = (text: string) => writeFile(join(journalFolder(dataDir), `${inspection}.last-good.json`), text);
const committed = {
  deployment: '00000000-0000-4000-8000-000000000001',
  digest: 'a'.repeat(64),
  release: 'classifier@1.0.0',
  variant: 'a.onnx',
};
const start = async (slots: Record<string, object> = { inspection: anywhere }) =>
  (begun = await HeadStart.of({ dataDir, slots, program }));

describe('a head start', () => {
  it('binds the sockets, and begins a runner where a release was committed', async () => {
    await lastGood(JSON.stringify(committed));
    await start({ inspection: anywhere, other: {} });
    expect(begun!.sockets(inspection)?.port('http')).toBeGreaterThan(0);
    const runner = begun!.takeRunner(inspection)!;
    expect(runner.pid).toBeGreaterThan(0);
    expect(begun!.takeRunner(inspection)).toBeUndefined();
    runner.end('crash', 'the test is over');
  });

  it.each([
    ['nothing', 'null'],
    ['a damaged file', '{"deployment":'],
  ])('begins no runner where %s was committed', async (_what, text) => {
    await lastGood(text);
    await start();
    expect(begun!.takeRunner(inspection)).toBeUndefined();
  });

  it('does not hand out a runner that is gone', async () => {
    await lastGood(JSON.stringify(committed));
    await start();
    const runner = begun!.takeRunner(inspection)!;
    begun!.close();
    await start();
    begun!.endRunners();
    await expect.poll(() => begun!.takeRunner(inspection)).toBeUndefined();
    runner.end('crash', 'the test is over');
    await expect(runner.exited).resolves.toMatchObject({ reason: 'the test is over' });
  });

  it('leaves nothing behind when another program has an address', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port: freed } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const slots = {
      first: { listen: { http: { host: '127.0.0.1', port: freed } } },
      second: { listen: { http: { host: '127.0.0.1', port } } },
    };
    await expect(start(slots)).rejects.toThrow(`slot "second" cannot listen on 127.0.0.1:${port}: another program has that port`);
    const again = createServer().listen(freed, '127.0.0.1');
    await once(again, 'listening');
    again.close();
    other.close();
  });
});

describe('a slot with a head start', () => {
  it('serves its last known good in the runner that was begun', async () => {
    const device = await FleetOfOne.make();
    const good = device.assign(publish(device.server, { 'good.onnx': { is: 'good' } }));
    await device.reported(good, 'committed');
    await device.restart();
    await device.serves(good.manifestDigest);
    expect(device.begun).toHaveLength(1);
    expect(device.runners()).toEqual(device.begun);
    await device.end();
  });
});
