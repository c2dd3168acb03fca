import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type SecureContextOptions, type Server, type TLSSocket, createServer } from 'node:tls';
import type { Credentials } from '../credentials.js';
import type { Accept } from './listener.js';

/** How long a client may take over its handshake. */
const handshakeTimeout = 10_000;
const bearer = /^Bearer +(\S+)$/i;

/** TLS for a slot or gateway that others reach, and who may ask it: whoever shows a client certificate of its CA, or one of its tokens. */
export class Security {
  #credentials: Credentials;
  #tokens: readonly Buffer[] = [];
  readonly #servers = new Set<Server>();

  constructor(
    credentials: Credentials,
    private readonly what: 'slot' | 'gateway' = 'slot',
  ) {
    this.#credentials = credentials;
    this.#tokens = tokensOf(credentials);
  }

  /** For connections to come; the tokens from now on. */
  renew(credentials: Credentials): void {
    this.#credentials = credentials;
    this.#tokens = tokensOf(credentials);
    for (const server of this.#servers) server.setSecureContext(contextOf(credentials));
  }

  /** `protocol`: what is spoken above TLS, by its ALPN name. */
  accepting(protocol: 'http/1.1' | 'h2'): Accept {
    return (onConnection) => this.#accept(onConnection, protocol);
  }

  #accept(onConnection: (socket: Socket) => void, protocol: string): Server {
    const server = createServer(
      {
        ...contextOf(this.#credentials),
        noDelay: true,
        handshakeTimeout,
        ALPNProtocols: [protocol],
        requestCert: this.#credentials.clientCa !== undefined,
        // Refused later, in a sentence: a handshake that fails tells nobody why.
        rejectUnauthorized: false,
      },
      onConnection,
    );
    this.#servers.add(server);
    return server.on('close', () => this.#servers.delete(server));
  }

  /** Lets those through who may ask; whoever watches the device may know without that it lives. */
  guard(handler: RequestListener): RequestListener {
    return (request, response) => {
      const error = this.refusalOf(request.headers.authorization, request.socket);
      if (error === undefined) handler(request, response);
      else if (request.url!.split('?')[0] === '/healthz') answer(request, response, 200, { status: 'ok' });
      else answer(request, response, 401, { error });
    };
  }

  /** Why whoever asks on this connection is not answered; undefined where it is. Without TLS it came by the UNIX socket. */
  refusalOf(authorization: string | undefined, connection: Socket): string | undefined {
    const socket = connection as TLSSocket;
    if (!socket.encrypted) return undefined;
    const token = bearer.exec(authorization ?? '')?.[1];
    if ((token !== undefined && this.#isKnown(token)) || this.#hasCertificate(socket)) return undefined;
    return this.#refusal(authorization, socket);
  }

  /** Looks at every token, so that the time taken says nothing about any of them. */
  #isKnown(token: string): boolean {
    const hash = createHash('sha256').update(token).digest();
    return this.#tokens.reduce((known, other) => timingSafeEqual(hash, other) || known, false);
  }

  /** The certificate itself must be there too, whatever a resumed session without one may count as. */
  #hasCertificate(socket: TLSSocket): boolean {
    return this.#credentials.clientCa !== undefined && socket.authorized && socket.getPeerX509Certificate() !== undefined;
  }

  #refusal(authorization: string | undefined, socket: TLSSocket): string {
    const ways = [
      ...(this.#tokens.length > 0 ? ['a token ("authorization: Bearer …")'] : []),
      ...(this.#credentials.clientCa === undefined ? [] : [`a client certificate of this ${this.what}'s CA`]),
    ].join(' or ');
    const shown =
      authorization !== undefined
        ? `the token is none of those that this ${this.what} takes; `
        : socket.getPeerX509Certificate()
          ? `the client certificate is not taken (${String(socket.authorizationError)}); `
          : '';
    return `${shown}this ${this.what} asks for ${ways}`;
  }
}

function answer(request: IncomingMessage, response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="flotilla"' } : {}),
    // A body that nobody read would be taken for the next request.
    ...(hasBody(request) ? { connection: 'close' } : {}),
  });
  response.end(JSON.stringify(body));
}

const hasBody = ({ headers }: IncomingMessage) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const tokensOf = ({ tokens }: Credentials) => tokens.map((hash) => Buffer.from(hash, 'hex'));

const contextOf = ({ certificate, key, clientCa }: Credentials): SecureContextOptions => ({
  cert: certificate,
  key,
  ...(clientCa === undefined ? {} : { ca: clientCa }),
  minVersion: 'TLSv1.2',
});
