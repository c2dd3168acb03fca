import { generateKeyPairSync } from 'node:crypto';
import { enrol } from '@flotilla/agent/supervisor/enrolment';
import { keyThumbprint } from '@flotilla/agent/supervisor/identity';
import { decodeClaimToken, TokenView } from '@flotilla/protocol';
import { deviceNames } from './bulk-enrolment.js';
import type { DeviceIdentity, FleetIdentity } from './identities.js';

/** Each device by a claim token of its own, as an installer would do it. */
export async function enrolByUrl(url: string, token: string, prefix: string, count: number): Promise<FleetIdentity> {
  const devices: DeviceIdentity[] = [];
  let fleet: Omit<FleetIdentity, 'devices'> | undefined;
  for (const name of deviceNames(prefix, count)) {
    const claim = decodeClaimToken(await claimTokenFor(name, url, token));
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const about = { profile: 'generic-x64', hardwareClass: 'generic-x64/1.30.0+avx2', labels: { fleet: prefix } };
    const { device, certificate, ca, mqttUrl, tenant, directorKey } = await enrol(claim, privateKey, about);
    fleet ??= { ca, mqttUrl, tenant, directorKey };
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    devices.push({ device, key, cert: certificate, keyThumbprint: await keyThumbprint(privateKey) });
  }
  return { ...fleet!, devices };
}

async function claimTokenFor(name: string, url: string, token: string): Promise<string> {
  const response = await fetch(new URL('/api/v1/tokens', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (!response.ok) throw new Error(`${url} gives no claim token for ${name}: ${await response.text()}`);
  return TokenView.parse(await response.json()).token;
}
