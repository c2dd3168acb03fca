import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { answerParent } from './child.js';
import { inferMethod } from './transports/grpc.js';
import type { Target, TransportName } from './transports/transport.js';

/** `path`: a UNIX socket there; otherwise a free port. */
export type EchoQuestion = { serve: Exclude<TransportName, 'grpcStream'>; answerBytes: number; path?: string };

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

const raw = (bytes: Buffer) => bytes;

function serveGrpc(answer: Buffer): Promise<Target> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const method = {
    path: inferMethod,
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  } as const;
  server.addService(
    { ModelInfer: method },
    { ModelInfer: (_call: unknown, reply: (e: null, a: Buffer) => void) => reply(null, answer) },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve({ port }),
    );
  });
}

answerParent<EchoQuestion>(serve);
