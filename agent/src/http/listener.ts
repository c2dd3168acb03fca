import type { RequestListener, Server as HttpServer, ServerResponse } from 'node:http';
import { type ListenOptions, type Server, type Socket, createServer } from 'node:net';
import { http } from '../node-http.js';

const idleGraceMs = 1000;
/** How long a client may take over its headers, its whole request, and between two requests. */
const patience = { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 65_000, connectionsCheckingInterval: 1000 };

/** Makes the server that accepts connections, and gives each on when it may be spoken on. */
export type Accept = (onConnection: (socket: Socket) => void) => Server;
export const plainly: Accept = (onConnection) => createServer({ noDelay: true }, onConnection);

type Connection = { open: Set<ServerResponse>; /** Bytes read when the last request was answered. */ answeredAt: number };

/**
 * HTTP on a socket that several runners may share while one takes over from another. Connections come from a net server,
 * because http.Server.close() cuts idle keep-alive connections at once, and a client may just be sending on one.
 */
export class Listener {
  readonly #http: HttpServer;
  readonly #net: Server;
  readonly #connections = new Map<Socket, Connection>();
  /** As accepted; a TLS connection lies above one of them. */
  readonly #accepted = new Set<Socket>();
  #draining = false;
  #onEmpty: () => void = () => undefined;

  constructor(handler: RequestListener, limits = patience, accept = plainly) {
    this.#http = http.createServer(limits);
    this.#net = accept((socket) => this.take(socket));
    this.#net.on('connection', (socket) => {
      this.#accepted.add(socket);
      socket.on('close', () => this.#accepted.delete(socket));
    });
    this.#http.on('connection', (socket: Socket) => this.#track(socket));
    this.#http.on('request', (request, response) => {
      if (this.#draining) announceEnd(response);
      this.#count(request.socket, response);
      handler(request, response);
    });
    this.#http.on('clientError', (error, socket) => refuse(error, socket as Socket));
    // The check for requests that never end is armed by this event, which no listen() of its own will send.
    this.#http.emit('listening');
  }

  /** The port, where there is one. */
  listen(where: ListenOptions | { fd: number }): Promise<number | undefined> {
    return portOf(this.#net, where);
  }

  /** A connection that somebody else accepted. */
  take(socket: Socket): void {
    this.#http.emit('connection', socket);
  }

  /** Accepts no more, answers what comes with `connection: close`, and resolves when the last connection has gone, at the latest after graceMs. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const { open } of this.#connections.values()) open.forEach(announceEnd);
    const closed = new Promise<void>((resolve) => this.#net.close(() => resolve()));
    // Timers come before what the sockets have: a request that lies unread makes its connection a busy one.
    const idle = setInterval(() => setImmediate(() => this.#closeIdle()), Math.min(idleGraceMs, graceMs));
    const end = setTimeout(() => this.#closeAll(), graceMs);
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    await closed;
    clearInterval(idle);
    clearTimeout(end);
    this.#http.close();
  }

  #track(socket: Socket): void {
    this.#connections.set(socket, { open: new Set(), answeredAt: 0 });
    socket.on('close', () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#onEmpty();
    });
  }

  #count(socket: Socket, response: ServerResponse): void {
    const connection = this.#connections.get(socket)!;
    connection.open.add(response);
    response.on('close', () => {
      connection.open.delete(response);
      connection.answeredAt = socket.bytesRead;
    });
  }

  /** Idle: nothing asked, and nothing begun since the last answer, a handshake included. */
  #closeIdle(): void {
    for (const socket of this.#accepted) if (socket.bytesRead === 0) socket.destroy();
    for (const [socket, { open, answeredAt }] of this.#connections) {
      if (open.size === 0 && socket.bytesRead === answeredAt) socket.destroySoon();
    }
  }

  #closeAll(): void {
    for (const socket of this.#accepted) socket.destroy();
  }
}

/** Listens, and tells the port where there is one. */
export async function portOf(server: Server, where: ListenOptions | { fd: number }): Promise<number | undefined> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : undefined;
}

function announceEnd(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = { HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large', ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout' }[
    error.code ?? ''
  ];
  const body = JSON.stringify({ error: `not a request: ${error.message}` });
  const head = `HTTP/1.1 ${status ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\n\r\n${body}`);
}
