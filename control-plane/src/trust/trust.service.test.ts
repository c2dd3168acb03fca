import { X509Certificate as NodeCertificate } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DesiredState, DeviceId, digestOf } from '@flotilla/protocol';
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DataFolder, openDataFolder } from '../platform/data-folder.js';
import { makeKeyRequest } from './key-request.js';
import { TrustService } from './trust.service.js';
import * as x509 from './x509.js';

const device = DeviceId.parse('dev-1');
const dayMs = 86_400_000;
const start = new Date('2026-01-01T12:00:00Z');

let dir: string;
let folder: DataFolder;
let now: Date;
const opened: TrustService[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'flotilla-trust-'));
  folder = await openDataFolder(dir);
  now = start;
});
afterEach(async () => {
  for (const trust of opened.splice(0)) trust.stop();
  folder.close();
  await rm(dir, { recursive: true, force: true });
});

const later = (days: number) => (now = new Date(now.getTime() + days * dayMs));
async function openTrust(hosts = ['localhost', '127.0.0.1', '::1']): Promise<TrustService> {
  const trust = await TrustService.open(folder, hosts, () => now);
  opened.push(trust);
  return trust;
}
const enrol = async (trust: TrustService, id = device) => trust.issueDeviceCertificate((await makeKeyRequest()).csr, id);
const listed = (trust: TrustService) => new x509.X509Crl(trust.serverTls().crl).entries.map(({ serialNumber }) => serialNumber);

describe('the fleet CA', () => {
  test('is made once, and its key is for its owner only', async () => {
    const first = (await openTrust()).caPem();
    expect((await openTrust()).caPem()).toBe(first);
    expect((await stat(join(folder.secretsDir, 'fleet-ca.key.pem'))).mode & 0o777).toBe(0o600);
    const ca = new NodeCertificate(first);
    expect(ca.ca).toBe(true);
    expect(ca.checkIssued(ca)).toBe(true);
    expect(new Date(ca.validTo).getUTCFullYear()).toBe(2036);
  });

  test('comes with the server certificate, and its hash is what claim tokens pin', async () => {
    const trust = await openTrust();
    expect(trust.serverTls().cert).toContain(trust.caPem());
    expect(trust.caSha256()).toBe(new NodeCertificate(trust.caPem()).fingerprint256.replaceAll(':', '').toLowerCase());
  });
});

describe('the server certificate', () => {
  test('names every host, and is for servers only', async () => {
    const trust = await openTrust(['localhost', '127.0.0.1', '::1', 'fleet.example']);
    const server = new NodeCertificate(trust.serverTls().cert);
    expect(server.checkHost('fleet.example')).toBe('fleet.example');
    expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(server.checkIP('::1')).toBe('::1');
    expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  });

  test('stays while it is good, and is made anew for other hosts or near its end', async () => {
    const first = (await openTrust()).serverTls().cert;
    expect((await openTrust()).serverTls().cert).toBe(first);
    const second = (await openTrust(['localhost', '127.0.0.1', '::1', 'fleet.example'])).serverTls().cert;
    expect(second).not.toBe(first);
    later(340);
    const third = (await openTrust(['localhost', '127.0.0.1', '::1', 'fleet.example'])).serverTls().cert;
    expect(third).not.toBe(second);
  });

  test('is renewed while running too', async () => {
    const trust = await openTrust();
    const first = trust.serverTls().cert;
    later(340);
    await trust.renew();
    expect(trust.serverTls().cert).not.toBe(first);
  });
});

describe('a device certificate', () => {
  test('holds the name that we give and the key that the device made, whatever the request says', async () => {
    const trust = await openTrust();
    const { csr } = await makeKeyRequest('CN=flotilla.control-plane, O=somebody');
    const { certificatePem, serial, expiresAt, keyThumbprint } = await trust.issueDeviceCertificate(csr, device);
    const certificate = new NodeCertificate(certificatePem);
    expect(certificate.subject).toBe('CN=dev-1\nO=flotilla device');
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.verify(new NodeCertificate(trust.caPem()).publicKey)).toBe(true);
    expect(certificate.serialNumber.toLowerCase()).toBe(serial);
    expect(Math.round((expiresAt.getTime() - now.getTime()) / dayMs)).toBe(90);
    expect(await calculateJwkThumbprint(certificate.publicKey.export({ format: 'jwk' }) as never)).toBe(keyThumbprint);
  });

  test('is given for an Ed25519 key too', async () => {
    const keys = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as never;
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: { name: 'Ed25519' } });
    const issued = await (await openTrust()).issueDeviceCertificate(csr.toString('pem'), device);
    expect(new NodeCertificate(issued.certificatePem).publicKey.asymmetricKeyType).toBe('ed25519');
  });

  test('is not given for an RSA key, a P-384 key, or no request at all', async () => {
    const trust = await openTrust();
    const refused = async (algorithm: object, signing: object) => {
      const keys = (await crypto.subtle.generateKey(algorithm as never, true, ['sign', 'verify'])) as never;
      const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: signing as never });
      return trust.issueDeviceCertificate(csr.toString('pem'), device);
    };
    const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
    await expect(refused(rsa, rsa)).rejects.toThrow(/its key is RSA.* a device's key is EC P-256 or Ed25519/);
    const p384 = { name: 'ECDSA', namedCurve: 'P-384' };
    await expect(refused(p384, { name: 'ECDSA', hash: 'SHA-384' })).rejects.toThrow('ECDSA P-384');
    await expect(trust.issueDeviceCertificate('-----BEGIN nothing', device)).rejects.toThrow('not a PKCS #10');
  });

  test('is not given to somebody who does not hold the key', async () => {
    const { csr } = await makeKeyRequest();
    const der = Buffer.from(x509.PemConverter.decodeFirst(csr));
    der[der.length - 1]! ^= 0x01;
    const forged = x509.PemConverter.encode(der, 'CERTIFICATE REQUEST');
    await expect((await openTrust()).issueDeviceCertificate(forged, device)).rejects.toThrow('not signed by the key');
  });
});

describe('revocation', () => {
  test('covers every earlier certificate of the device, not the next one, and survives a restart', async () => {
    const trust = await openTrust();
    const [first, second, other] = [await enrol(trust), await enrol(trust), await enrol(trust, DeviceId.parse('dev-2'))];
    await trust.revoke([second.serial.toUpperCase()]);
    const replacement = await enrol(trust);
    const again = await openTrust();
    expect(listed(again).toSorted()).toEqual([first.serial, second.serial].toSorted());
    expect([first, second, other, replacement].map(({ serial }) => again.isRevoked(serial))).toEqual([true, true, false, false]);
  });

  test('lists are numbered upwards, even when the clock was set back, and others hear of each', async () => {
    const trust = await openTrust();
    let heard = 0;
    const forget = trust.onCrl(() => heard++);
    const before = numberOf(trust);
    later(-30);
    await trust.revoke(['abcd']);
    expect(numberOf(trust)).toBeGreaterThan(before);
    expect(numberOf(await openTrust())).toBeGreaterThan(before + 1n);
    forget();
    await trust.renew();
    expect(heard).toBe(1);
  });

  test('revocations at the same time are all on the list', async () => {
    const trust = await openTrust();
    const issued = await Promise.all(Array.from({ length: 5 }, (_, i) => enrol(trust, DeviceId.parse(`dev-${i}`))));
    await Promise.all(issued.map(({ serial }) => trust.revoke([serial])));
    expect(listed(trust)).toHaveLength(5);
  });

  test('a line that a power cut left half is not in the way', async () => {
    const { serial } = await enrol(await openTrust());
    const path = join(folder.secretsDir, 'certificates.jsonl');
    await appendFile(path, '{"device":"dev-1","ser');
    const trust = await openTrust();
    await enrol(trust);
    expect((await readFile(path, 'utf8')).trim().split('\n')).toHaveLength(2);
    expect(trust.isRevoked(serial)).toBe(false);
  });

  test('certificates that ran out are forgotten', async () => {
    await enrol(await openTrust());
    later(91);
    await openTrust();
    expect(await readFile(join(folder.secretsDir, 'certificates.jsonl'), 'utf8')).toBe('');
  });
});

test("the director's signature is verified with the key that enrolment hands over", async () => {
  const trust = await openTrust();
  const state: DesiredState = {
    v: 1,
    type: 'desired',
    device,
    keyThumbprint: 'x'.repeat(43),
    epoch: 3,
    expires: 0,
    slots: [],
    config: { windowS: 10, uploadS: 60, heartbeatS: 60 },
  };
  const { payload, protectedHeader } = await compactVerify(
    await trust.signDesired(state),
    await importJWK(trust.directorKey(), 'EdDSA'),
  );
  expect(digestOf(JSON.parse(Buffer.from(payload).toString()))).toBe(digestOf(state));
  expect(protectedHeader).toMatchObject({ alg: 'EdDSA', kid: trust.directorKey().kid });
  expect((await openTrust()).directorKey()).toEqual(trust.directorKey());
});

function numberOf(trust: TrustService): bigint {
  const extension = new x509.X509Crl(trust.serverTls().crl).getExtension('2.5.29.20')!;
  return BigInt(`0x${Buffer.from(extension.value).subarray(2).toString('hex')}`);
}
