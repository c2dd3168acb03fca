import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import { X509Certificate, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnrolRequest, sha256, type ClaimToken } from '@flotilla/protocol/device';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { enrol, EnrolmentError } from './enrolment.js';
import { aDirector } from './fixtures/director.js';
import { aFleetCa, x509, type FleetCa } from '../fixtures/fleet-ca.js';
import { deviceKey, keyThumbprint, loadIdentity, saveIdentity, type Identity } from './identity.js';
import { createLogging } from './logger.js';
import { Renewal, renewAt } from './renewal.js';

let fleet: FleetCa;
let data: string;
let key: KeyObject;
let directorKey: Identity['directorKey'];
const open: Server[] = [];
beforeAll(async () => {
  [fleet, { directorKey }] = await Promise.all([aFleetCa('fleet'), aDirector()]);
  data = mkdtempSync(join(tmpdir(), 'enrolment-'));
  key = deviceKey(data);
});
afterAll(() => rmSync(data, { recursive: true }));
afterEach(() => open.splice(0).forEach((server) => server.close()));

type Answer = { status: number; body: unknown };
/** A device API that speaks the contract. */
async function aServer(by: FleetCa, { signedBy = by, refuse }: { signedBy?: FleetCa; refuse?: Answer } = {}) {
  const requests: EnrolRequest[] = [];
  const server = createServer({ ...by.tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    void (async () => {
      const body: Buffer[] = [];
      for await (const chunk of request) body.push(chunk as Buffer);
      const { status, body: answer } = refuse ?? (await grant(JSON.parse(Buffer.concat(body).toString('utf8')), signedBy));
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    })();
  });
  async function grant(body: { csr: string }, { ca, issue }: FleetCa): Promise<Answer> {
    const csr = new x509.Pkcs10CertificateRequest(body.csr);
    expect(await csr.verify()).toBe(true);
    if ('secret' in body) requests.push(EnrolRequest.parse(body));
    const issued = await issue(csr.publicKey, 'CN=press-7', []);
    const certificate = issued.toString('pem');
    const origin = `https://127.0.0.1:${port}`;
    const identity = { tenant: 'default', device: 'press-7', directorKey, mqttUrl: 'mqtts://127.0.0.1:1', deviceApiUrl: origin };
    return { status: 200, body: { v: 1, certificate, ca: ca.toString('pem'), ...identity } };
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const { port } = server.address() as AddressInfo;
  return { origin: `https://127.0.0.1:${port}`, requests };
}

const tokenFor = (server: string, pinned = fleet): ClaimToken => ({
  server,
  ca: sha256(Buffer.from(pinned.ca.rawData)),
  secret: 's'.repeat(22),
});
const about = { profile: 'generic-x64', hardwareClass: 'generic-x64/ort-1.30.0', labels: { site: 'lyon' } };
const refusal = async (attempt: Promise<unknown>) => {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EnrolmentError);
  const { kind, message } = error as EnrolmentError;
  return { kind, message };
};

describe('enrolment', () => {
  it('hands the secret to the pinned server and stores what it gets', async () => {
    const { origin, requests } = await aServer(fleet);
    const identity = await enrol(tokenFor(origin), key, about);
    expect(requests).toEqual([expect.objectContaining({ secret: 's'.repeat(22), labels: { site: 'lyon' } })]);
    saveIdentity(data, identity);
    expect(loadIdentity(data)).toEqual(identity);
    expect(new X509Certificate(identity.certificate).checkPrivateKey(key)).toBe(true);
    expect(statSync(join(data, 'identity', 'key.pem')).mode & 0o777).toBe(0o600);
  });

  it('can be done again with the same key, as after a power cut', async () => {
    const { origin, requests } = await aServer(fleet);
    await enrol(tokenFor(origin), deviceKey(data), about);
    await enrol(tokenFor(origin), deviceKey(data), about);
    const keys = requests.map(({ csr }) => new x509.Pkcs10CertificateRequest(csr).publicKey.toString('hex'));
    expect(keys[1]).toBe(keys[0]);
    expect(await keyThumbprint(deviceKey(data))).toBe(await keyThumbprint(key));
  });

  it('tells a foreign server nothing', async () => {
    const { origin, requests } = await aServer(await aFleetCa('stranger'));
    const { kind, message } = await refusal(enrol(tokenFor(origin), key, about));
    expect(kind).toBe('refused');
    expect(message).toMatch(/is not the one that made this claim token .* nothing was sent/);
    expect(requests).toEqual([]);
  });

  it('tells nothing to a server that only shows the pinned CA beside its own certificate', async () => {
    const stranger = await aFleetCa('stranger');
    const cert = `${stranger.tls.cert.split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n${fleet.ca.toString('pem')}`;
    const { origin, requests } = await aServer({ ...stranger, tls: { ...stranger.tls, cert } });
    const { message } = await refusal(enrol(tokenFor(origin), key, about));
    expect(message).toMatch(/is not the one that made this claim token|Cannot enrol/);
    expect(requests).toEqual([]);
  });

  it("says what the server's refusal was", async () => {
    const body = {
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      detail: 'the claim token was used before, by another key',
      code: 'CLAIM_REFUSED',
    };
    const { origin } = await aServer(fleet, { refuse: { status: 403, body } });
    expect(await refusal(enrol(tokenFor(origin), key, about))).toEqual({
      kind: 'refused',
      message: `${origin} refused the enrolment: the claim token was used before, by another key (CLAIM_REFUSED).`,
    });
  });

  it.each<[string, Answer, EnrolmentError['kind']]>([
    ['is overloaded', { status: 503, body: 'busy' }, 'unreachable'],
    ['answers nonsense', { status: 200, body: { hello: 1 } }, 'refused'],
  ])('tells whether to try again when the server %s', async (_what, refuse, kind) => {
    const { origin } = await aServer(fleet, { refuse });
    expect(await refusal(enrol(tokenFor(origin), key, about))).toMatchObject({ kind });
  });

  it('takes no certificate of a CA that is not the pinned one', async () => {
    const { origin } = await aServer(fleet, { signedBy: await aFleetCa('other') });
    expect((await refusal(enrol(tokenFor(origin), key, about))).message).toMatch(
      /does not fit this device's key and the pinned CA/,
    );
  });

  it('says that nobody listens', async () => {
    const { origin } = await aServer(fleet);
    open.splice(0).forEach((server) => server.close());
    const { kind, message } = await refusal(enrol(tokenFor(origin), key, about));
    expect({ kind, message }).toEqual({
      kind: 'unreachable',
      message: expect.stringMatching(/^Cannot reach .*ECONNREFUSED.*is the control plane running\?$/),
    });
  });
});

describe('a certificate', () => {
  it('is renewed after two thirds of its life, tried again until it is', async () => {
    const down = await aServer(fleet, { refuse: { status: 503, body: {} } });
    const upOrigin = (await aServer(fleet)).origin;
    const issued = await enrol(tokenFor(upOrigin), key, about);
    let identity: Identity = { ...issued, deviceApiUrl: down.origin };
    let tries = 0;
    const renewed = new Promise<Identity>((resolve) => {
      const renewal = new Renewal({
        key,
        identity: () => identity,
        onRenewed: (next) => {
          renewal.stop();
          resolve(next);
        },
        onAlarm: () => {},
        now: () => renewAt(issued.certificate) + 1,
        random: () => 0,
        log: createLogging('warn', () => {
          tries += 1;
          identity = { ...issued, deviceApiUrl: upOrigin, mqttUrl: 'mqtts://moved.example' };
        }).log,
        backoff: { baseMs: 1, capMs: 1 },
      });
      renewal.start();
    });
    const next = await renewed;
    // It was told where the control plane is now, and keeps that.
    expect(next.mqttUrl).toBe(issued.mqttUrl);
    expect(tries).toBe(1);
    expect(next.certificate).not.toBe(issued.certificate);
    expect(new X509Certificate(next.certificate).checkPrivateKey(key)).toBe(true);
  });

  it('is due at two thirds', async () => {
    const { origin } = await aServer(fleet);
    const { certificate } = await enrol(tokenFor(origin), key, about);
    const { validFrom, validTo } = new X509Certificate(certificate);
    const life = Date.parse(validTo) - Date.parse(validFrom);
    expect(renewAt(certificate)).toBe(Date.parse(validFrom) + (life * 2) / 3);
  });
});
