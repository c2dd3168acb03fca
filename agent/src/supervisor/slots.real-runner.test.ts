import { Client, credentials } from '@grpc/grpc-js';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetOfOne, temporaryFolder } from './fixtures/fleet-of-one.js';
import { freePort } from './fixtures/loopback.js';
import { publishFolder, releases } from './fixtures/shipped-releases.js';

const repository = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const runnerPath = repository('agent/dist/runner/main.js');
const photographs = repository('test/models/photographs');

/** ServerReadyResponse, as its bytes. */
const ready = Buffer.from([8, 1]);
async function readiness(address: string): Promise<Buffer | undefined> {
  const client = new Client(address, credentials.createInsecure());
  const bytes = (b: Buffer) => b;
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
    const path = '/inference.GRPCInferenceService/ServerReady';
    client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), (error, answer) => (error ? reject(error) : resolve(answer)));
    return await promise;
  } finally {
    client.close();
  }
}

let device: FleetOfOne;
afterEach(() => device.end());

// Built by `npm test` before anything is run; a bare `vitest run` on a fresh clone has no runner yet.
describe.skipIf(!existsSync(runnerPath))('a slot with the real runner', () => {
  it('commits a good release, turns a broken one away, and serves the good one again after a restart', async () => {
    const source = { directory: photographs, perSecond: 10, then: 'repeat' } as const;
    const grpc = { host: '127.0.0.1', port: await freePort() };
    const unix = join(await temporaryFolder(), 'slot.sock');
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port: 0 }, grpc, unix }, source } };
    device = await FleetOfOne.make({ runnerPath, slots, deadlines: {} });
    const good = device.assign(publishFolder(device.server, join(releases, '1.0.0')));
    await device.reported(good, 'committed', 60_000);
    expect(await readiness(`127.0.0.1:${grpc.port}`)).toEqual(ready);
    expect(await readiness(`unix:${unix}`)).toEqual(ready);
    const broken = device.assign(publishFolder(device.server, join(releases, '1.3.0')));
    await device.reported(broken, 'failed golden', 60_000);
    await device.serves(good.manifestDigest);
    await device.restart();
    await device.serves(good.manifestDigest);
    expect(device.windows.at(-1)?.window).toMatchObject({ digest: good.manifestDigest, errors: 0 });
  }, 180_000);
});
