import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aFleetCa, type FleetCa } from '../fixtures/fleet-ca.js';
import { FleetOfOne, inspection, publish, temporaryFolder, until } from './fixtures/fleet-of-one.js';
import { freePort } from './fixtures/loopback.js';
import { publishFolder, releases } from './fixtures/shipped-releases.js';

const runnerPath = fileURLToPath(new URL('../../dist/runner/main.js', import.meta.url));
const photographs = fileURLToPath(new URL('../../../test/models/photographs', import.meta.url));
const token = 'correct-horse-battery';
let device: FleetOfOne;
let ca: FleetCa;
let port: number;
let folder: string;
beforeEach(async () => {
  [ca, port, folder] = [await aFleetCa('slot'), await freePort(), await temporaryFolder()];
  writeFileSync(join(folder, 'crt'), ca.tls.cert);
  writeFileSync(join(folder, 'key'), ca.tls.key, { mode: 0o600 });
  writeFileSync(join(folder, 'tokens'), `${token}\n`, { mode: 0o600 });
});
afterEach(async () => {
  await device.end();
  await rm(folder, { recursive: true });
});

const slots = (directory: string) => {
  const source = { directory, perSecond: 50, then: 'repeat' } as const;
  const expose = { certificate: join(folder, 'crt'), key: join(folder, 'key'), tokens: join(folder, 'tokens') };
  return { inspection: { listen: { http: { host: '127.0.0.1', port } }, source, expose } };
};
const ask = (path: string, bearer = '') =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = bearer ? { authorization: `Bearer ${bearer}` } : {};
    const where = { host: '127.0.0.1', port, path, ca: ca.ca.toString('pem'), agent: false as const, headers };
    const request = httpsRequest(where, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    });
    request.on('error', reject).end();
  });
const answers = (status: number, path: string, bearer?: string) =>
  until(
    async () => (await ask(path, bearer).catch(() => undefined))?.status === status,
    () => `${path} is not answered with ${status}`,
  );

// Runner and stub are built by `npm test` before anything is run.
describe.skipIf(!existsSync(runnerPath))('a slot that is exposed', () => {
  it('is served with TLS to whoever has a token, and takes new tokens while it serves', async () => {
    device = await FleetOfOne.make({ runnerPath, slots: slots(photographs), deadlines: {} });
    await device.reported(device.assign(publishFolder(device.server, join(releases, '1.0.0'))), 'committed', 60_000);
    await answers(200, '/readyz', token);
    expect(await ask('/readyz')).toMatchObject({ status: 401, body: expect.stringContaining('asks for a token') });
    writeFileSync(join(folder, 'tokens'), 'another-token-of-some-length\n', { mode: 0o600 });
    device.slots.refreshCredentials();
    await answers(200, '/readyz', 'another-token-of-some-length');
    expect((await ask('/readyz', token)).status).toBe(401);
  }, 120_000);

  it('says the reason in safe mode to nobody else', async () => {
    device = await FleetOfOne.make({ random: () => 0.1, slots: slots('.') });
    await device.reported(device.assign(publish(device.server, { 'good.onnx': { is: 'good' } })), 'committed');
    await device.restart(() => {
      const file = join(device.folder, 'journal', `${inspection}.json`);
      writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), bootCount: 6 }));
    });
    await answers(503, '/v2', token);
    expect(await ask('/v2')).toMatchObject({ status: 401, body: expect.not.stringContaining('safe mode') });
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  }, 60_000);
});
