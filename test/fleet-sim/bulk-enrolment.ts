import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Authority, ecP256, issueLeaf } from '@flotilla/control-plane/trust/certificates';
import { thumbprintOf } from '@flotilla/control-plane/trust/csr';
import { ecKeyPair } from '@flotilla/control-plane/trust/key-file';
import { readSecret } from '@flotilla/control-plane/platform/secrets';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { ExtendedKeyUsage, X509Certificate } from '@flotilla/control-plane/trust/x509';
import { exportPKCS8 } from 'jose';
import { DataSource } from 'typeorm';
import type { TestControlPlane } from '../support/control-plane.js';
import type { DeviceIdentity, FleetIdentity } from './identities.js';

const profile = 'generic-x64';
const hardwareClass = 'generic-x64/1.30.0+avx2';
const days = 30;
const sites = 20;

export const deviceNames = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i + 1).padStart(6, '0')}`);

/** Thousands of devices as enrolment would have made them, with one key among them: for simulations, never in the product. */
export async function enrolInBulk(controlPlane: TestControlPlane, prefix: string, count: number): Promise<FleetIdentity> {
  const { app, dataDir, urls } = controlPlane;
  const trust = app.get(TrustService);
  const authority = await authorityIn(dataDir);
  const keys = await crypto.subtle.generateKey(ecP256, true, ['sign', 'verify']);
  const key = await exportPKCS8(keys.privateKey);
  const keyThumbprint = await thumbprintOf(keys.publicKey);
  const now = new Date();
  const devices: DeviceIdentity[] = [];
  for (const device of deviceNames(prefix, count)) {
    const subject = { CN: device, O: 'flotilla device' };
    const leaf = { subject, publicKey: keys.publicKey, usage: ExtendedKeyUsage.clientAuth, days };
    devices.push({ device, key, keyThumbprint, cert: (await issueLeaf(authority, leaf, now)).toString('pem') });
  }
  await insertDevices(app.get(DataSource), devices);
  return { mqttUrl: urls.mqtt, tenant: 'default', ca: trust.caPem(), directorKey: trust.directorKey(), devices };
}

/** Rows of the device table, spread over sites. */
async function insertDevices(
  db: Pick<DataSource, 'query'>,
  devices: readonly Pick<DeviceIdentity, 'device' | 'keyThumbprint'>[],
): Promise<void> {
  await db.query(
    `INSERT INTO device (id, tenant, status, profile, hardware_class, labels, notes, key_thumbprint, certificate_serial,
       certificate_expires_at, enrolled_at)
     SELECT id, 'default', 'active', $3, $4, jsonb_build_object('site', 'site-' || (n % ${sites})), '[]', thumbprint, $5 || '-' || n,
       now() + interval '${days} days', now()
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS d(id, thumbprint, n)`,
    [
      devices.map(({ device }) => device),
      devices.map(({ keyThumbprint }) => keyThumbprint),
      profile,
      hardwareClass,
      randomBytes(6).toString('hex'),
    ],
  );
}

async function authorityIn(dataDir: string): Promise<Authority> {
  const secrets = {
    secretsDir: join(dataDir, 'secrets'),
    readSecret: (name: string) => readSecret(dataDir, name),
    writeSecret: () => Promise.reject(new Error('this control plane has no certificate authority yet')),
  };
  const { pair } = await ecKeyPair(secrets, 'fleet-ca.key.pem');
  const certificate = new X509Certificate((await readSecret(dataDir, 'fleet-ca.pem'))!.toString());
  return { certificate, key: pair.privateKey };
}
