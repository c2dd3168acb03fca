import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import {
  Aedes,
  type AuthenticateError,
  type Client,
  type Connection,
  type ConnectPacket,
  type PublishPacket,
  type Subscription,
} from 'aedes';
import { refuseConnect, refusePublish, refuseSubscribe } from './access-rules.js';
import { type Identity, identityOf, nameOf } from './identity.js';
import { LimitedConnection } from './limited-connection.js';
import { type ConnectionLimits, controlPlaneLimits, deviceLimits } from './limiter.js';
import { Router } from './router.js';

export interface ServerTls {
  key: string;
  cert: string;
  ca: string;
  crl: string;
}

export interface BrokerLimits {
  device: ConnectionLimits;
  maxConnections: number;
  /** For the TLS handshake, and again for CONNECT. */
  connectTimeoutMs: number;
}
export const brokerLimits: BrokerLimits = { device: deviceLimits, maxConnections: 20_000, connectTimeoutMs: 10_000 };

// What may wait for one device that does not read: above it the connection is dropped.
const maxUnreadBytes = 4 * 1024 * 1024;
const maxKeepaliveS = 300;
// One device holds its present connection and, for a moment, the one that takes over.
const maxConnectionsPerDevice = 2;

export interface BrokerEvents {
  /** A refusal or a drop, by reason. */
  count(reason: string): void;
}

/** aedes behind mutual TLS, access rules and limits. It runs in a process of its own: see child.ts. */
export class EmbeddedBroker {
  readonly #server: Server;
  readonly #identities = new WeakMap<object, Identity>();
  readonly #connections = new Map<string, Set<LimitedConnection>>();

  static async start(tls: ServerTls, limits: BrokerLimits, events: BrokerEvents): Promise<EmbeddedBroker> {
    const broker: EmbeddedBroker = new EmbeddedBroker(await createAedes(limits, () => broker), tls, limits, events);
    return broker;
  }

  private constructor(
    private readonly aedes: Aedes,
    tls: ServerTls,
    private readonly limits: BrokerLimits,
    private readonly events: BrokerEvents,
  ) {
    this.#server = createServer({ ...secureOptions(tls), handshakeTimeout: limits.connectTimeoutMs });
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (_, socket) => {
      events.count('handshake');
      socket.destroy();
    });
    aedes.on('clientError', () => events.count('protocol'));
    aedes.on('connectionError', () => events.count('protocol'));
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** New connections are judged by the new revocation list; live ones are dropped by name. */
  setTls(tls: ServerTls): void {
    this.#server.setSecureContext(secureOptions(tls));
  }

  drop(device: string): void {
    for (const connection of this.#connections.get(device) ?? []) connection.destroy();
  }

  async stop(): Promise<void> {
    this.#server.close();
    await new Promise<void>((resolve) => this.aedes.close(resolve));
    for (const connections of this.#connections.values()) for (const connection of connections) connection.destroy();
  }

  #accept(socket: TLSSocket): void {
    const identity = identityOf(socket.getPeerCertificate().subject?.CN);
    if (!identity) {
      this.events.count('identity');
      socket.destroy();
      return;
    }
    const limits = identity.kind === 'device' ? this.limits.device : controlPlaneLimits;
    const connection = new LimitedConnection(
      socket,
      limits,
      (reason) => this.events.count(reason),
      identity.kind === 'control-plane',
    );
    this.#identities.set(connection, identity);
    this.#remember(nameOf(identity), connection, identity.kind === 'device');
    // aedes wants a Duplex; its types ask for one field more, which is its own.
    this.aedes.handle(connection as Duplex as Connection);
  }

  #remember(name: string, connection: LimitedConnection, few: boolean): void {
    const connections = this.#connections.get(name) ?? new Set();
    this.#connections.set(name, connections.add(connection));
    connection.once('close', () => {
      connections.delete(connection);
      if (connections.size === 0 && this.#connections.get(name) === connections) this.#connections.delete(name);
    });
    if (few && connections.size > maxConnectionsPerDevice) {
      this.events.count('superseded');
      [...connections][0]!.destroy();
    }
  }

  identityOf(client: Client | null): Identity | undefined {
    return client ? this.#identities.get(client.conn) : undefined;
  }

  refuse(reason: string | null): Error | null {
    if (reason === null) return null;
    this.events.count('access');
    return new Error(reason);
  }
}

function createAedes(limits: BrokerLimits, broker: () => EmbeddedBroker): Promise<Aedes> {
  return Aedes.createBroker({
    mq: new Router(),
    connectTimeout: limits.connectTimeoutMs,
    keepaliveLimit: maxKeepaliveS,
    drainTimeout: 30_000,
    preConnect: (client, packet, done) => remember(client, packet, done),
    authenticate: (client, _username, _password, done) => {
      const error = broker().refuse(refusalOfConnect(broker().identityOf(client), client));
      done(error ? (Object.assign(error, { returnCode: 5 }) as AuthenticateError) : null, error === null);
    },
    authorizePublish: (client, packet, done) => {
      const refused = broker().refuse(refusalOfPublish(broker().identityOf(client), packet));
      if (!refused) connectionOf(client)?.delivering();
      done(refused);
    },
    published: (_packet, client, done) => {
      connectionOf(client)?.delivered();
      done();
    },
    authorizeSubscribe: (client, subscription, done) => {
      // Null and no error: SUBACK 128 for this filter, and the connection lives on (MQTT 3.1.1 section 3.9.3).
      const refused = broker().refuse(refusalOfSubscribe(broker().identityOf(client), subscription));
      done(null, refused ? null : subscription);
    },
    authorizeForward: (client, packet) => (client.conn.writableLength > maxUnreadBytes ? dropUnread(client) : packet),
  });
}

const connectionOf = (client: Client | null) => client?.conn as LimitedConnection | undefined;

/** `authenticate` is not shown the packet, and a refusal in `preConnect` would be sent without a CONNACK. */
function remember(client: Client, packet: ConnectPacket, done: (error: Error | null, success: boolean) => void): void {
  connects.set(client, packet);
  done(null, true);
}
const connects = new WeakMap<Client, ConnectPacket>();

function refusalOfConnect(identity: Identity | undefined, client: Client): string | null {
  const packet = connects.get(client);
  if (!identity || !packet) return 'no identity';
  return refuseConnect(identity, { clientId: packet.clientId, clean: packet.clean ?? false, will: packet.will });
}

function refusalOfPublish(identity: Identity | undefined, packet: PublishPacket): string | null {
  return identity ? refusePublish(identity, packet) : 'no identity';
}

function refusalOfSubscribe(identity: Identity | undefined, { topic, qos }: Subscription): string | null {
  return identity ? refuseSubscribe(identity, topic, qos) : 'no identity';
}

function dropUnread(client: Client): null {
  client.conn.destroy();
  return null;
}

/** Without tickets there is no resumption, so that each connection is checked against the revocation list in force. */
const secureOptions = ({ key, cert, ca, crl }: ServerTls) => ({
  key,
  cert,
  ca,
  crl,
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: 'TLSv1.2' as const,
  secureOptions: constants.SSL_OP_NO_TICKET,
});
