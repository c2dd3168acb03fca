import { DeviceId, TenantId } from './ids.js';

export const upKinds = ['birth', 'heartbeat', 'presence', 'telemetry', 'event'] as const;
export type UpKind = (typeof upKinds)[number];
export const downKinds = ['welcome', 'desired', 'ack', 'command'] as const;
export type DownKind = (typeof downKinds)[number];

const base = (tenant: string, device: string) => `fl/v1/${tenant}/${device}`;

/** `fl/v1/{tenant}/{device}/up/{kind}`: what a device publishes. */
export const upTopic = (tenant: TenantId, device: DeviceId, kind: UpKind) => `${base(tenant, device)}/up/${kind}`;
/** `fl/v1/{tenant}/{device}/dn/{kind}`: the only four topics that a device subscribes. */
export const downTopic = (tenant: TenantId, device: DeviceId, kind: DownKind) => `${base(tenant, device)}/dn/${kind}`;
/** What the control plane subscribes; with a shared-subscription group on brokers that deliver `$share`. */
export const allUp = 'fl/v1/+/+/up/#';
export const sharedUp = (group = 'cp') => `$share/${group}/${allUp}`;

export type UpTopic = { tenant: TenantId; device: DeviceId; kind: UpKind };

/** Null for a topic that is not a device's own up-topic: the caller counts and drops it. */
export function parseUpTopic(topic: string): UpTopic | null {
  const [fl, version, tenant, device, direction, kind, ...rest] = topic.split('/');
  if (fl !== 'fl' || version !== 'v1' || direction !== 'up' || rest.length > 0) return null;
  const known = upKinds.find((k) => k === kind);
  const tenantId = TenantId.safeParse(tenant);
  const deviceId = DeviceId.safeParse(device);
  if (!known || !tenantId.success || !deviceId.success) return null;
  return { tenant: tenantId.data, device: deviceId.data, kind: known };
}
