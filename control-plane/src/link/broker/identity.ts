import { DeviceId } from '@flotilla/protocol';
import { controlPlaneName } from '../../trust/names.js';

/** Who a connection is, by the certificate that it proved to hold; never by what it says in a packet. */
export type Identity = { kind: 'device'; device: DeviceId } | { kind: 'control-plane' };

export function identityOf(commonName: unknown): Identity | null {
  if (commonName === controlPlaneName) return { kind: 'control-plane' };
  const device = DeviceId.safeParse(commonName);
  return device.success ? { kind: 'device', device: device.data } : null;
}

export const nameOf = (identity: Identity) => (identity.kind === 'device' ? identity.device : controlPlaneName);
