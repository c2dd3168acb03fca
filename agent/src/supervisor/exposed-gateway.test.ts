import { existsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aFleetCa, type FleetCa } from '../fixtures/fleet-ca.js';
import { eventually } from '../fixtures/eventually.js';
import { CredentialFiles } from './credential-files.js';
import { quiet, temporaryFolder } from './fixtures/fleet-of-one.js';
import { GatewayProcess } from './gateway-process.js';
import { bindSocket, type ListeningSocket } from './listening-socket.js';

const path = fileURLToPath(new URL('../../dist/gateway/main.js', import.meta.url));
const token = 'correct-horse-battery';
let ca: FleetCa;
let folder: string;
let http: ListeningSocket;
let gateway: GatewayProcess;
const alarms: string[] = [];
beforeEach(async () => {
  [ca, folder] = [await aFleetCa('gateway'), await temporaryFolder()];
  http = await bindSocket('the gateway', { host: '127.0.0.1', port: 0 });
  const files = { certificate: join(folder, 'crt'), key: join(folder, 'key'), tokens: join(folder, 'tokens') };
  writeFileSync(files.certificate, ca.tls.cert);
  for (const [file, text] of [
    [files.key, ca.tls.key],
    [files.tokens, `${token}\n`],
  ] as const)
    writeFileSync(file, text, { mode: 0o600 });
  const credentials = new CredentialFiles({}, files, quiet);
  const common = { path, log: quiet, dataDir: folder, device: 'press-1', maxRssBytes: 1e9 };
  gateway = new GatewayProcess({ ...common, http, credentials, onAlarm: (name) => alarms.push(name) });
});
afterEach(async () => {
  await gateway.stop();
  http.close();
  await rm(folder, { recursive: true });
});

const ask = (where: string, bearer = '') =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = bearer ? { authorization: `Bearer ${bearer}` } : {};
    const at = { host: '127.0.0.1', port: http.port, path: where, ca: ca.ca.toString('pem'), agent: false as const, headers };
    const request = httpsRequest(at, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    });
    request.on('error', reject).end();
  });
const answers = (status: number, bearer: string) =>
  eventually(() =>
    ask('/v1/slots', bearer).then(
      (answer) => answer.status === status,
      () => false,
    ),
  );

// Built by `npm test` before anything is run.
describe.skipIf(!existsSync(path))('a gateway that is exposed', () => {
  it('answers with TLS to whoever has a token, and takes new tokens while it serves', async () => {
    gateway.configure([]);
    await answers(200, token);
    expect(await ask('/v1/slots')).toMatchObject({ status: 401, body: expect.stringContaining('this gateway asks for a token') });
    expect(await ask('/openapi.json')).toMatchObject({ status: 401 });
    expect(await ask('/healthz')).toEqual({ status: 200, body: '{"status":"ok"}' });
    await expect(fetch(`http://127.0.0.1:${http.port}/v1/slots`)).rejects.toThrow();
    writeFileSync(join(folder, 'tokens'), 'another-token-of-some-length\n', { mode: 0o600 });
    gateway.refreshCredentials();
    await answers(200, 'another-token-of-some-length');
    expect((await ask('/v1/slots', token)).status).toBe(401);
    expect(alarms).toEqual([]);
  }, 60_000);
});
