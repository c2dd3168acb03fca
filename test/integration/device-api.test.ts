import { randomBytes, X509Certificate } from 'node:crypto';
import { Artifacts } from '@flotilla/control-plane/platform/artifacts';
import { makeKeyRequest, type KeyRequest } from '@flotilla/control-plane/trust/key-request';
import { ClaimToken, decodeClaimToken, type Digest, EnrolResponse, RenewResponse } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aTrust, deviceTls } from '../support/credentials.js';
import { askDeviceApi, type DeviceAnswer } from '../support/device-api.js';
import { connectClient, connectDevice } from '../support/mqtt-client.js';
import { until } from '../support/until.js';

let at: TestControlPlane;
let ca: string;

beforeAll(async () => {
  at = await aControlPlane();
  ca = (await enrol(await aToken())).body.ca;
});
afterAll(async () => at?.stop());

const board = { profile: 'generic-x64', hardwareClass: 'generic-x64/ort1.30/avx2' };
const aToken = async (request: object = {}): Promise<ClaimToken> => {
  const { status, body } = await at.api('POST', 'tokens', request);
  expect(status).toBe(201);
  return decodeClaimToken(body.token);
};
const unpinned = { ca: undefined as unknown as string, rejectUnauthorized: false };
async function enrol(token: Pick<ClaimToken, 'secret'>, wish: object = {}, key?: KeyRequest): Promise<DeviceAnswer> {
  const { csr } = key ?? (await makeKeyRequest());
  const body = { v: 1, secret: token.secret, csr, ...board, ...wish };
  return ask('enrol', { method: 'POST', body });
}
async function ask(path: string, options: Partial<Parameters<typeof askDeviceApi>[1]>): Promise<DeviceAnswer> {
  return askDeviceApi(`${at.urls.deviceApi}/device/v1/${path}`, { ca: ca ?? (await firstContactCa()), ...options });
}
/** As a device does: it takes the CA from the server's own chain, if it has the hash that the token pins. */
async function firstContactCa(): Promise<string> {
  const { connect } = await import('node:tls');
  const { hostname, port } = new URL(at.urls.deviceApi);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ...unpinned }, () => {
      const { issuerCertificate } = socket.getPeerCertificate(true);
      resolve(new X509Certificate(issuerCertificate.raw).toString());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
async function aDevice(name?: string) {
  const key = await makeKeyRequest();
  const token = await aToken(name ? { name } : {});
  const answer = EnrolResponse.parse((await enrol(token, {}, key)).body);
  return { token, key, tls: { key: key.key, cert: answer.certificate, ca: answer.ca }, ...answer };
}
const mqtt = (device: { device: string; tls: { key: string; cert: string; ca: string }; mqttUrl: string }) =>
  connectDevice(device.mqttUrl, { ...device.tls, serial: '' }, device.device);

describe('enrolment', () => {
  test('a claim token pins the CA that the server shows', async () => {
    const token = await aToken();
    expect(token.server).toBe(at.urls.deviceApi);
    expect(new X509Certificate(await firstContactCa()).fingerprint256.replaceAll(':', '').toLowerCase()).toBe(token.ca);
  });

  test('answers all that a device needs, and its certificate opens the broker and this API', async () => {
    const device = await aDevice();
    expect(device.device).toMatch(/^device-[0-9a-f]{8}$/);
    const client = await mqtt(device);
    await client.endAsync(true);
    expect((await ask('artifacts/' + 'a'.repeat(64), device.tls)).body.code).toBe('ARTIFACT_NOT_FOUND');
  });

  test("the token's name and labels win over the device's wishes", async () => {
    const token = await aToken({ name: 'oven-7', labels: { site: 'lyon' } });
    const { body } = await enrol(token, { name: 'admin', labels: { site: 'turin', line: '2' } });
    expect(body.device).toBe('oven-7');
    expect((await at.api('GET', 'devices/oven-7')).body).toMatchObject({
      profile: board.profile,
      labels: { site: 'lyon', line: '2' },
    });
  });

  test('where the token names nobody, the device may wish, but not for a name that is taken', async () => {
    expect((await enrol(await aToken(), { name: 'oven-8' })).body.device).toBe('oven-8');
    expect(await enrol(await aToken(), { name: 'oven-8' })).toMatchObject({ status: 409, body: { code: 'DEVICE_EXISTS' } });
  });

  test('the same token and key again are the same device; another key is refused', async () => {
    const { device, token, key } = await aDevice();
    expect((await enrol(token, {}, key)).body.device).toBe(device);
    expect(await enrol(token)).toMatchObject({
      status: 403,
      body: { code: 'CLAIM_REFUSED', detail: expect.stringContaining('has been used') },
    });
  });

  test('two boards with one token: one gets in', async () => {
    const token = await aToken();
    const answers = await Promise.all([enrol(token), enrol(token), enrol(token)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 403, 403]);
  });

  test('expired and foreign tokens are refused, each in a sentence that repeats no secret', async () => {
    const { body } = await at.api('POST', 'tokens', { expiresInS: 1 });
    await until(() => Date.now() > Date.parse(body.expiresAt), 'it has expired');
    expect(await enrol(decodeClaimToken(body.token))).toMatchObject({
      status: 403,
      body: { code: 'CLAIM_REFUSED', detail: expect.stringContaining('has expired') },
    });
    const foreign = { secret: randomBytes(32).toString('base64url') };
    const answer = await enrol(foreign);
    expect(answer).toMatchObject({
      status: 403,
      body: { code: 'CLAIM_REFUSED', detail: expect.stringContaining('did not make') },
    });
    expect(answer.bytes.toString()).not.toContain(foreign.secret);
  });

  test.each([
    ['no JSON', Buffer.from('{'), 'INVALID_REQUEST'],
    ['no CSR', { v: 1, secret: 'x'.repeat(43), ...board }, 'INVALID_REQUEST'],
    ['a CSR that is none', { v: 1, secret: 'x'.repeat(43), csr: '-----BEGIN x', ...board }, 'INVALID_REQUEST'],
    ['another version', { v: 2 }, 'INVALID_REQUEST'],
    ['a body of 100 KB', Buffer.alloc(100_000, ' '), 'INVALID_REQUEST'],
  ])('%s is a problem, told as one', async (_, body, code) => {
    const answer = await ask('enrol', { method: 'POST', body });
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.body).toMatchObject({ code, status: answer.status });
    expect(answer.status).toBe(400);
  });

  test('the tokens are listed with who used them, without their secrets', async () => {
    const { device, token } = await aDevice();
    const { body } = await at.api('GET', 'tokens?limit=500');
    expect(body.items.some((item: { device?: string }) => item.device === device)).toBe(true);
    expect(JSON.stringify(body)).not.toContain(token.secret);
  });
});

describe('certificates', () => {
  test('every route but enrolment demands one of this fleet', async () => {
    const foreign = await aTrust();
    const theirs = await deviceTls(foreign.trust, 'oven-7');
    await foreign.close();
    for (const tls of [{}, { key: theirs.key, cert: theirs.cert }]) {
      const answer = await ask('artifacts/' + 'a'.repeat(64), tls);
      expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
    }
  });

  test('one is renewed for the same key only', async () => {
    const { device, key, tls } = await aDevice();
    const { certificate, mqttUrl, deviceApiUrl } = RenewResponse.parse(
      (await ask('renew', { ...tls, method: 'POST', body: { v: 1, csr: key.csr } })).body,
    );
    expect(new X509Certificate(certificate).subject).toContain(`CN=${device}`);
    expect(certificate).not.toBe(tls.cert);
    expect([mqttUrl, deviceApiUrl]).toEqual([at.urls.mqtt, at.urls.deviceApi]);
    const renewed = { ...tls, cert: certificate };
    expect((await ask('artifacts/' + 'a'.repeat(64), renewed)).status).toBe(404);
    const other = await ask('renew', { ...renewed, method: 'POST', body: { v: 1, csr: (await makeKeyRequest()).csr } });
    expect(other).toMatchObject({ status: 400, body: { detail: expect.stringContaining('another key') } });
  });

  test('a removed device is shut out everywhere, by its earlier certificates too, and its token does not bring it back', async () => {
    const device = await aDevice();
    const { certificate } = RenewResponse.parse(
      (await ask('renew', { ...device.tls, method: 'POST', body: { v: 1, csr: device.key.csr } })).body,
    );
    const client = await mqtt(device);
    expect((await at.api('DELETE', `devices/${device.device}`)).status).toBe(204);
    await until(() => !client.connected, 'its session is dropped');
    for (const cert of [device.tls.cert, certificate]) {
      expect(await ask('artifacts/' + 'a'.repeat(64), { ...device.tls, cert })).toMatchObject({
        status: 403,
        body: { code: 'DEVICE_REVOKED' },
      });
      await expect(connectClient(device.mqttUrl, { ...device.tls, cert, clientId: device.device })).rejects.toThrow();
    }
    expect(await enrol(device.token, {}, device.key)).toMatchObject({ status: 403, body: { code: 'CLAIM_REFUSED' } });
    expect(await enrol(await aToken(), { name: device.device }, device.key)).toMatchObject({
      status: 403,
      body: { code: 'CLAIM_REFUSED', detail: expect.stringContaining('remove the folder "identity"') },
    });
    // Its name is free; that lets none of its certificates in.
    expect((await enrol(await aToken(), { name: device.device })).status).toBe(200);
    for (const cert of [device.tls.cert, certificate]) {
      expect((await ask('artifacts/' + 'a'.repeat(64), { ...device.tls, cert })).body.code).toBe('DEVICE_REVOKED');
      await expect(connectClient(device.mqttUrl, { ...device.tls, cert, clientId: device.device })).rejects.toThrow();
    }
  });

  test('a token that asks for approval lets the device enrol and renew, and nothing more', async () => {
    const token = await aToken({ name: 'oven-9', approval: 'required' });
    const key = await makeKeyRequest();
    const { body } = await enrol(token, {}, key);
    const tls = { key: key.key, cert: body.certificate, ca: body.ca };
    expect((await at.api('GET', 'devices/oven-9')).body.status).toBe('pending');
    expect((await enrol(token, {}, key)).body.device).toBe('oven-9');
    expect((await ask('renew', { ...tls, method: 'POST', body: { v: 1, csr: key.csr } })).status).toBe(200);
    expect(await ask('artifacts/' + 'a'.repeat(64), tls)).toMatchObject({ status: 403, body: { code: 'DEVICE_PENDING' } });
    expect((await at.api('POST', 'devices/oven-9/approval')).body.status).toBe('active');
    expect((await ask('artifacts/' + 'a'.repeat(64), tls)).body.code).toBe('ARTIFACT_NOT_FOUND');
  });

  test('a replacement token puts another board in the place of one', async () => {
    const old = await aDevice('press-1');
    const { status, body } = await at.api('POST', 'devices/press-1/replacement');
    expect(status).toBe(201);
    const before = await mqtt(old);
    const key = await makeKeyRequest();
    const answer = await enrol(decodeClaimToken(body.token), {}, key);
    expect(answer.body.device).toBe('press-1');
    await until(() => !before.connected, 'the old board is sent away');
    await before.endAsync(true);
    expect(await enrol(await aToken({ name: 'press-2' }), {}, old.key)).toMatchObject({
      status: 403,
      body: { code: 'CLAIM_REFUSED' },
    });
    expect((await ask('artifacts/' + 'a'.repeat(64), old.tls)).status).toBe(403);
    const client = await mqtt({ ...old, tls: { ...old.tls, key: key.key, cert: answer.body.certificate } });
    await client.endAsync(true);
  });
});

describe('downloads', () => {
  const content = randomBytes(300_000);
  let digest: Digest;
  let tls: { key: string; cert: string; ca: string };
  const get = (headers: Record<string, string> = {}, method = 'GET') => ask(`artifacts/${digest}`, { ...tls, headers, method });

  beforeAll(async () => {
    digest = await at.app.get(Artifacts).putBytes(content);
    ({ tls } = await aDevice());
  });

  test('the whole, under its digest as ETag', async () => {
    const answer = await get();
    expect(answer.status).toBe(200);
    expect(answer.bytes.equals(content)).toBe(true);
    expect(answer.headers).toMatchObject({ etag: `"${digest}"`, 'accept-ranges': 'bytes', 'content-length': '300000' });
  });

  test('HEAD tells the size and sends nothing', async () => {
    const answer = await get({}, 'HEAD');
    expect([answer.status, answer.headers['content-length'], answer.bytes.length]).toEqual([200, '300000', 0]);
  });

  test('the rest of a download that was cut', async () => {
    const answer = await get({ range: 'bytes=100000-', 'if-range': `"${digest}"` });
    expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 100000-299999/300000']);
    expect(answer.bytes.equals(content.subarray(100_000))).toBe(true);
  });

  test('the last bytes', async () => {
    const answer = await get({ range: 'bytes=-5' });
    expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 299995-299999/300000']);
    expect(answer.bytes.equals(content.subarray(299_995))).toBe(true);
  });

  test('everything, when the part at hand is of another file', async () => {
    const answer = await get({ range: 'bytes=100000-', 'if-range': '"other"' });
    expect([answer.status, answer.bytes.length]).toEqual([200, 300_000]);
  });

  test('nothing behind the end', async () => {
    const answer = await get({ range: 'bytes=300000-' });
    expect([answer.status, answer.headers['content-range'], answer.bytes.length]).toEqual([416, 'bytes */300000', 0]);
  });

  test('what is no digest is refused, and so is what leads elsewhere', async () => {
    expect((await ask('artifacts/abc', tls)).body).toMatchObject({ code: 'INVALID_REQUEST' });
    expect((await ask('artifacts/..%2f..%2fsecrets%2ffleet-ca.key.pem', tls)).status).toBe(400);
    expect((await ask('elsewhere', tls)).body).toMatchObject({ code: 'ROUTE_NOT_FOUND' });
  });
});

describe('the operator API', () => {
  test('wants the admin token, but not for its own description', async () => {
    const status = async (path: string, authorization?: string) =>
      (await fetch(`${at.url}${path}`, authorization ? { headers: { authorization } } : {})).status;
    expect(await status('/api/v1/tokens')).toBe(401);
    expect(await status('/api/v1/tokens', 'Bearer wrong')).toBe(401);
    expect(await status('/api/v1/tokens', `Basic ${at.adminToken}`)).toBe(401);
    expect(await status('/api/v1/tokens', `Bearer ${at.adminToken}`)).toBe(200);
    expect(await status('/api/v1/openapi.json')).toBe(200);
  });
});

// Last: after it this address waits.
test('after many refusals an address has to wait', async () => {
  const statuses: number[] = [];
  for (let i = 0; i < 30; i++) statuses.push((await enrol({ secret: randomBytes(32).toString('base64url') })).status);
  expect(statuses.at(-1)).toBe(429);
});
