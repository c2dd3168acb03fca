import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { connect } from 'mqtt';

const contexts = new Map<string, SecureContext>();

/** A context of its own for each connection takes as much again as half of the connection: only key and certificate are a device's own. */
export function connectSharing(ca: string, own: { key: string; cert: string }): typeof connect {
  return ((url: string, options: object) => {
    const secureContext = contexts.get(ca) ?? createSecureContext({ ca });
    contexts.set(ca, secureContext);
    const client = connect(url, { ...options, secureContext } as object);
    // Before its handshake has begun: the socket has not even been connected.
    (client.stream as TLSSocket).setKeyCert(createSecureContext(own));
    return client;
  }) as typeof connect;
}
