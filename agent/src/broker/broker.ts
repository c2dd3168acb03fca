import { readFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { type ConnectionLimits, LimitedConnection, Router } from '@flotilla/protocol/mqtt-guard';
import { Aedes, type AuthenticateError, type Client, type Connection, type ConnectPacket } from 'aedes';
import type { BrokerSettings } from '../device-broker.js';
import { refuseConnect, refusePublish, refuseSubscribe, type Rights, rightsOf } from './access.js';
import { Arrivals } from './arrivals.js';
import { Retained } from './retained.js';

/** A gateway catches up on 10,000 readings in a few seconds; a prediction may have 256 K characters. */
const clientLimits: ConnectionLimits = {
  maxPacketBytes: 1024 * 1024,
  packetsPerS: 5000,
  packetBurst: 20_000,
  bytesPerS: 8 * 1024 * 1024,
  byteBurst: 32 * 1024 * 1024,
  dropAfterMs: 30_000,
};
const connectTimeoutMs = 10_000;
const mostSubscriptions = 100;
/** What may wait for one client that does not read: above it the connection is dropped. */
const mostUnreadBytes = 2 * 1024 * 1024;
/** A wrong password waits for its answer: guessing is slow. */
const wrongMs = 500;
const lookAtCertificateMs = 60_000;

type Count = (reason: string) => void;

/** aedes behind passwords, TLS and limits. It runs in a process of its own: see main.ts. */
export class DeviceBroker {
  readonly #connects = new WeakMap<Client, ConnectPacket>();
  readonly #rights = new WeakMap<Client, Rights>();
  readonly #retained = new Retained();
  readonly #arrivals = new Arrivals();
  #aedes!: Aedes;

  private constructor(
    private readonly settings: BrokerSettings,
    private readonly count: Count,
  ) {}

  /** Rejects when it can't listen, or a file can't be used. */
  static async start(settings: BrokerSettings, count: Count): Promise<void> {
    const broker = new DeviceBroker(settings, count);
    broker.#aedes = await broker.#createAedes();
    await broker.#listen();
  }

  async #listen(): Promise<void> {
    const { listen, maxClients, tls } = this.settings;
    const server = tls ? await tlsServer(tls, (socket) => this.#accept(socket)) : createServer((socket) => this.#accept(socket));
    server.maxConnections = maxClients;
    server.on('drop', () => this.count('too many clients'));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(listen, resolve);
    });
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (!this.#arrivals.admits(performance.now())) {
      this.count('connections too fast');
      socket.destroy();
      return;
    }
    // Who is gone without a word is found out, whatever it said of its keep-alive.
    socket.setKeepAlive(true, 30_000);
    const connection = new LimitedConnection(socket, clientLimits, this.count);
    // aedes wants a Duplex; its types ask for one field more, which is its own.
    this.#aedes.handle(connection as Duplex as Connection);
  }

  #createAedes(): Promise<Aedes> {
    return Aedes.createBroker({
      // Nobody is slowed by a reader that stands still: it is dropped when too much waits for it.
      mq: new Router(),
      connectTimeout: connectTimeoutMs,
      drainTimeout: 30_000,
      maxInflightInbound: 16,
      // `authenticate` is not shown the packet, and a refusal here would be sent without a CONNACK.
      preConnect: (client, packet, done) => {
        this.#connects.set(client, packet);
        done(null, true);
      },
      authenticate: (client, name, password, done) =>
        void this.#admit(client, name, password).then(
          () => done(null, true),
          (error: AuthenticateError) => done(error, false),
        ),
      authorizePublish: (client, packet, done) => {
        const refused = client ? refusePublish(this.#rights.get(client) ?? 'read', packet) : null;
        if (refused) return done(this.#refuse(refused));
        if (packet.retain && !this.#retained.admits(packet)) {
          packet.retain = false;
          this.count('retained messages beyond the limit');
        }
        connectionOf(client)?.delivering();
        done(null);
      },
      published: (_packet, client, done) => {
        connectionOf(client)?.delivered();
        done();
      },
      authorizeSubscribe: (client, subscription, done) => {
        const isTooMany = Object.keys(filtersOf(client)).length >= mostSubscriptions;
        const refused = isTooMany ? 'too many subscriptions' : refuseSubscribe(subscription.topic);
        if (refused) this.count(refused);
        // No error: SUBACK 128 for this filter, and the connection lives on. QoS 2 is granted as 1 (MQTT 3.1.1 section 3.9.3).
        done(null, refused ? null : { ...subscription, qos: subscription.qos === 0 ? 0 : 1 });
      },
      authorizeForward: (client, packet) => (client.conn.writableLength > mostUnreadBytes ? this.#dropUnread(client) : packet),
    });
  }

  async #admit(client: Client, name: string | undefined, password: Buffer | undefined): Promise<void> {
    const rights = await rightsOf(this.settings.users, name, password).catch(() => undefined);
    if (!rights) {
      await new Promise((resolve) => setTimeout(resolve, wrongMs));
      throw this.#refuse('user name or password is not known', 4);
    }
    this.#rights.set(client, rights);
    const refused = refuseConnect(rights, this.#connects.get(client) ?? {});
    if (refused) throw this.#refuse(refused, 5);
  }

  #refuse(reason: string, returnCode = 5): AuthenticateError {
    this.count(reason);
    return Object.assign(new Error(reason), { returnCode }) as AuthenticateError;
  }

  #dropUnread(client: Client): null {
    if (!client.conn.destroyed) this.count('a client that reads nothing');
    client.conn.destroy();
    return null;
  }
}

/** aedes keeps them, and leaves them out of its types. */
const filtersOf = (client: Client) => (client as Client & { subscriptions: Record<string, unknown> }).subscriptions;
const connectionOf = (client: Client | null) => client?.conn as LimitedConnection | undefined;

/** Certificates are renewed while it serves. */
async function tlsServer(files: NonNullable<BrokerSettings['tls']>, accept: (socket: Socket) => void): Promise<Server> {
  const read = async () => {
    const [cert, key] = await Promise.all([readFile(files.certFile, 'utf8'), readFile(files.keyFile, 'utf8')]);
    return { cert, key, minVersion: 'TLSv1.2' as const };
  };
  let current = await read();
  const server: TlsServer = createTlsServer({ ...current, handshakeTimeout: connectTimeoutMs }, accept);
  const look = async () => {
    const next = await read();
    if (next.cert === current.cert && next.key === current.key) return;
    server.setSecureContext(next);
    current = next;
  };
  // What is half written is looked at again.
  setInterval(() => void look().catch(() => undefined), lookAtCertificateMs).unref();
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}
