import type { RequestListener } from 'node:http';
import type { ListenOptions, Server, Socket } from 'node:net';
import type { Listen } from '../../runner-protocol.js';
import type { GrpcServer } from '../grpc/server.js';
import { Listener, plainly, portOf } from '../../http/listener.js';
import type { Security } from '../../http/security.js';
import { sniff } from './sniff.js';

type Where = ListenOptions | { fd: number };
/** The slot's sockets: REST, gRPC, and a UNIX socket that speaks both. */
export type ListenWhere = { http?: Where | undefined; grpc?: Where | undefined; unix?: Where | undefined };
/** Of those that have one. */
export type Ports = { http?: number | undefined; grpc?: number | undefined };

/** The sockets by the descriptors that the supervisor handed down. */
export const inherited = ({ http, grpc, unix }: Listen): ListenWhere => ({
  http: http === undefined ? undefined : { fd: http },
  grpc: grpc === undefined ? undefined : { fd: grpc },
  unix: unix === undefined ? undefined : { fd: unix },
});

/** All that a slot listens on, opened and drained as one. gRPC is loaded where there is an address for it, or somebody speaks it. */
export class SlotListeners {
  readonly #http: Listener;
  #grpc: Promise<GrpcServer> | undefined;
  readonly #servers: Server[] = [];
  /** Connections of which it is not known yet what they speak. */
  readonly #unknown = new Set<Socket>();

  constructor(
    handler: RequestListener,
    private readonly loadGrpc: () => Promise<GrpcServer>,
    /** Where others than this device reach it. */
    private readonly security?: Security,
  ) {
    this.#http = security
      ? new Listener(security.guard(handler), undefined, security.accepting('http/1.1'))
      : new Listener(handler);
  }

  async listen({ http, grpc, unix }: ListenWhere): Promise<Ports> {
    const server = grpc && (await this.#speakGrpc());
    const ports = {
      http: http && (await this.#http.listen(http)),
      grpc: grpc && (await this.#listen(grpc, (socket) => server!.take(socket), this.security?.accepting('h2'))),
    };
    // On the device, and guarded by its file's permissions.
    if (unix) await this.#listen(unix, (socket) => void this.#takeEither(socket));
    return ports;
  }

  /** Accepts no more, answers what comes, and resolves when the last connection has gone, at the latest after graceMs. */
  async drain(graceMs: number): Promise<void> {
    for (const server of this.#servers) server.close();
    await Promise.all([this.#http.drain(graceMs), this.#grpc?.then((grpc) => grpc.drain(graceMs))]);
    for (const socket of this.#unknown) socket.destroy();
  }

  async #listen(where: Where, take: (socket: Socket) => void, accept = plainly): Promise<number | undefined> {
    const server = accept(take);
    this.#servers.push(server);
    return portOf(server, where);
  }

  async #takeEither(socket: Socket): Promise<void> {
    this.#unknown.add(socket);
    const spoken = await sniff(socket);
    const grpc = spoken === 'http2' ? await this.#speakGrpc() : undefined;
    this.#unknown.delete(socket);
    if (spoken === 'http1') this.#http.take(socket);
    else grpc?.take(socket);
  }

  async #loadGrpc(): Promise<GrpcServer> {
    const grpc = await this.loadGrpc();
    const { security } = this;
    if (security) grpc.guard((headers, socket) => security.refusalOf(headers.authorization, socket));
    return grpc;
  }

  #speakGrpc(): Promise<GrpcServer> {
    return (this.#grpc ??= this.#loadGrpc());
  }
}
