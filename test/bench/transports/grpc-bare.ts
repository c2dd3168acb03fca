import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { inferMethod, requestOf } from './grpc.js';
import type { Connection, Outcome, Transport } from './transport.js';

const ok = '0';
const resourceExhausted = '8';
/** Room for whole answers: the client must not be what waits. */
const windowBytes = 4 * 1024 * 1024;

/** Unary gRPC straight over HTTP/2: grpc-js takes more of the shared cores for a request than the server that is measured. */
export const grpcBare: Transport = {
  async open(target, call) {
    const session = connectHttp2('http://localhost', {
      createConnection: () => connect({ ...target, noDelay: true }),
      settings: { initialWindowSize: windowBytes },
    });
    await once(session, 'connect');
    session.setLocalWindowSize(windowBytes);
    return new BareConnection(session, framed(requestOf(call)), call.outputBytes);
  },
};

/** One message, not compressed. */
export function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

class BareConnection implements Connection {
  constructor(
    private readonly session: ClientHttp2Session,
    private readonly request: Buffer,
    private readonly outputBytes: number,
  ) {}

  infer(): Promise<Outcome> {
    const headers = { ':method': 'POST', ':path': inferMethod, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = this.session.request(headers);
    let [received, status, said] = [0, '', ''];
    const note = (given: Record<string, unknown>) => {
      status = String(given['grpc-status'] ?? status);
      said = String(given['grpc-message'] ?? said);
    };
    stream.on('response', note).on('trailers', note);
    stream.on('data', (piece: Buffer) => (received += piece.length));
    stream.end(this.request);
    return new Promise((resolve) => {
      stream.once('error', (error) => resolve({ kind: 'failed', reason: error.message }));
      stream.once('end', () => resolve(this.#outcome(status, said, received)));
    });
  }

  close(): void {
    this.session.destroy();
  }

  #outcome(status: string, said: string, received: number): Outcome {
    if (status === resourceExhausted) return { kind: 'shed' };
    if (status !== ok) return { kind: 'failed', reason: `status ${status}: ${said}` };
    return received < this.outputBytes ? { kind: 'failed', reason: `an answer of ${received} bytes` } : { kind: 'ok' };
  }
}
