import { allUp, downKinds, downTopic, parseUpTopic, TenantId, upTopic } from '@flotilla/protocol';
import { type Identity, nameOf } from './identity.js';

const tenant = TenantId.parse('default');

/** The part of a PUBLISH, or of a will, that decides whether it may pass. */
export interface Publication {
  topic: string;
  qos?: number | undefined;
  retain?: boolean | undefined;
}

/** Null, or why not. */
export function refusePublish(identity: Identity, { topic, qos = 0, retain }: Publication): string | null {
  if (retain === true) return 'retained messages are not kept here';
  if (qos > 1) return 'QoS 2 is not spoken here';
  if (identity.kind === 'control-plane') return isDownTopic(topic) ? null : `a control plane publishes fl/v1/+/+/dn only`;
  const up = parseUpTopic(topic);
  return up !== null && up.tenant === tenant && up.device === identity.device ? null : `not a topic of ${identity.device}`;
}

/** A device subscribes exactly its four topics: no wildcard and no `$share` can be among them. */
export function refuseSubscribe(identity: Identity, filter: string, qos: number): string | null {
  if (qos > 1) return 'QoS 2 is not spoken here';
  if (identity.kind === 'control-plane') return filter === allUp ? null : `a control plane subscribes ${allUp} only`;
  const own = downKinds.map((kind) => downTopic(tenant, identity.device, kind));
  return own.includes(filter) ? null : `not a topic of ${identity.device}`;
}

export interface Connection {
  clientId: string;
  clean: boolean;
  will?: Publication | undefined;
}

export function refuseConnect(identity: Identity, { clientId, clean, will }: Connection): string | null {
  if (!clean) return 'persistent sessions are not kept here';
  if (identity.kind === 'control-plane') {
    return clientId.startsWith('cp-') && !will ? null : 'a control plane has a client id cp-… and no will';
  }
  if (clientId !== identity.device) return `the client id of ${nameOf(identity)} is its device id`;
  if (will === undefined) return null;
  const presence = upTopic(tenant, identity.device, 'presence');
  return will.topic === presence ? refusePublish(identity, will) : `the will of ${identity.device} goes to ${presence}`;
}

function isDownTopic(topic: string): boolean {
  const [fl, v1, ...rest] = topic.split('/');
  const [, , dn, kind] = rest;
  return fl === 'fl' && v1 === 'v1' && dn === 'dn' && rest.length === 4 && downKinds.some((known) => known === kind);
}
