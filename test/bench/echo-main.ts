import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { answerParent } from './child.js';
import { framed } from './transports/grpc-bare.js';
import type { Target, TransportName } from './transports/transport.js';

/** `path`: a UNIX socket there; otherwise a free port. */
export type EchoQuestion = { serve: Extract<TransportName, 'rest' | 'grpcBare'>; answerBytes: number; path?: string };

const windowBytes = 4 * 1024 * 1024;

/** The floor under a transport: reads the request whole and answers with as many bytes as the model would, at once. */
function serve({ serve: transport, answerBytes, path }: EchoQuestion): Promise<Target> {
  const answer = Buffer.alloc(answerBytes);
  return transport === 'rest' ? serveRest(answer, path) : serveGrpc(answer);
}

async function serveRest(answer: Buffer, path?: string): Promise<Target> {
  const server = createServer({ noDelay: true }, (request, response) => {
    request.on('data', () => undefined);
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': answer.length });
      response.end(answer);
    });
  });
  await once(server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path }), 'listening');
  return path === undefined ? { port: (server.address() as AddressInfo).port } : { path };
}

async function serveGrpc(answer: Buffer): Promise<Target> {
  const server = createHttp2Server({ settings: { initialWindowSize: windowBytes } });
  server.on('session', (session) => session.setLocalWindowSize(windowBytes));
  server.on('stream', (stream) => {
    stream.on('data', () => undefined);
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.end(framed(answer));
    });
  });
  await once(server.listen({ port: 0, host: '127.0.0.1' }), 'listening');
  return { port: (server.address() as AddressInfo).port };
}

answerParent<EchoQuestion>(serve);
