import { randomBytes } from 'node:crypto';
import { DeviceId, downTopic, TenantId } from '@flotilla/protocol';
import { makeKeyRequest } from '../../trust/key-request.js';
import type { TrustService } from '../../trust/trust.service.js';
import type { Broker } from './broker.js';
import { grantedFor, shortSession } from './short-session.js';

const tenant = TenantId.parse('default');

/** Filters that no broker may grant to a device: each would let it read what others send. */
const forbiddenFilters = ['$share/probe/fl/v1/+/+/up/#', '#', 'fl/v1/+/+/up/#', 'fl/v1/default/another-device/dn/desired'];

/** Proves by trying, as a device made for it, that the broker keeps devices apart; throws a sentence when it does not. */
export async function checkBroker(broker: Broker, trust: TrustService): Promise<void> {
  const device = DeviceId.parse(`probe-${randomBytes(6).toString('hex')}`);
  const { key, csr } = await makeKeyRequest();
  const { certificatePem, serial } = await trust.issueDeviceCertificate(csr, device);
  const tls = { key, cert: certificatePem, ca: trust.caPem() };
  await broker.admit(device);
  try {
    const own = downTopic(tenant, device, 'desired');
    const [granted, ...others] = await shortSession(broker.publicUrl, { ...tls, clientId: device }, (client) =>
      grantedFor(client, [own, ...forbiddenFilters]),
    );
    judge(
      broker.publicUrl,
      granted === 128,
      forbiddenFilters.filter((_, i) => others[i] !== 128),
    );
  } finally {
    await broker.dropSession(device);
    await trust.revoke([serial]);
  }
}

function judge(url: string, ownRefused: boolean, open: string[]): void {
  const instead = 'set it up as deploy/mosquitto/mosquitto.conf does';
  if (open.length > 0) {
    const filters = open.map((filter) => `"${filter}"`).join(', ');
    throw new Error(`the broker at ${url} lets a device subscribe ${filters} (an acl_file does that): ${instead}`);
  }
  if (ownRefused)
    throw new Error(`the broker at ${url} refuses a device its own topics, or does not know it by its certificate: ${instead}`);
}
