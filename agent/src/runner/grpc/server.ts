import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { http2 } from '../../node-http.js';
import { Call, type CallLimits } from './call.js';
import { MessageBuffers } from './message-buffers.js';
import { type Method, StreamingCall, serveUnary } from './methods.js';
import { CallError, codes } from './status.js';

/** Undefined where there is none; may throw what all calls of that path end with. */
type FindMethod = (path: string) => Method | undefined;
/** Why a call is not taken, in a sentence; undefined where it is. */
type Refusal = (headers: IncomingHttpHeaders, socket: Socket) => string | undefined;
type Patience = { /** Until a connection has begun to speak HTTP/2. */ prefaceMs: number; messageMs: number };
const usualPatience: Patience = { prefaceMs: 10_000, messageMs: 60_000 };

/** Wide enough that a picture's tensor comes in one go; the standard's 64 KiB cost a round trip each. */
const streamWindowBytes = 4 * 1024 * 1024;
const connectionWindowBytes = 16 * 1024 * 1024;
const settings = { initialWindowSize: streamWindowBytes, maxConcurrentStreams: 256, enablePush: false };
/** What is queued for a slow client counts against it, and an answer may be large. */
const maxSessionMemoryMb = 512;

/** gRPC over HTTP/2 on connections that are handed to it; several runners may share the socket that these come from. */
export class GrpcServer {
  readonly #http2: Http2Server;
  readonly #buffers: MessageBuffers;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #streaming = new Set<StreamingCall>();
  #draining = false;
  #refusal: Refusal = () => undefined;
  #onEmpty: () => void = () => undefined;

  constructor(
    private readonly find: FindMethod,
    private readonly maxBytes: number,
    private readonly patience: Patience = usualPatience,
  ) {
    // One message of the longest while another is still read.
    this.#buffers = new MessageBuffers(2 * maxBytes);
    this.#http2 = http2().createServer({ settings, maxSessionMemory: maxSessionMemoryMb });
    this.#http2.on('session', (session) => this.#track(session));
    this.#http2.on('stream', (stream, headers) => this.#open(stream, headers));
    // Not HTTP/2, or broken: the connection is closed by itself.
    this.#http2.on('sessionError', () => undefined);
  }

  /** Asked before each call. */
  guard(refusal: Refusal): void {
    this.#refusal = refusal;
  }

  take(socket: Socket): void {
    this.#http2.emit('connection', socket);
  }

  /** Takes no more calls, answers those that came, and resolves when the last connection has gone, at the latest after graceMs. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const call of this.#streaming) call.drain();
    // GOAWAY: what crosses it on the way was not begun, and each client knows that it may send it again elsewhere.
    for (const session of this.#sessions) session.close();
    const end = setTimeout(() => this.#sessions.forEach((session) => session.destroy()), graceMs);
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    clearTimeout(end);
  }

  #track(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(connectionWindowBytes);
    const silent = setTimeout(() => session.destroy(), this.patience.prefaceMs).unref();
    session.once('remoteSettings', () => clearTimeout(silent));
    session.on('close', () => {
      clearTimeout(silent);
      this.#sessions.delete(session);
      if (this.#sessions.size === 0) this.#onEmpty();
    });
    if (this.#draining) session.close();
  }

  #open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (!headers['content-type']?.startsWith('application/grpc') || headers[':method'] !== 'POST') {
      stream.on('error', () => {});
      stream.respond({ ':status': 415, 'content-type': 'text/plain' });
      stream.end('this address speaks gRPC: POST with content-type application/grpc');
      return;
    }
    const call = new Call(stream, headers);
    try {
      const refused = this.#refusal(headers, stream.session!.socket as Socket);
      if (refused !== undefined) throw new CallError(codes.unauthenticated, refused);
      this.#serve(call, headers[':path'] ?? '');
    } catch (error) {
      call.fail(error);
    }
  }

  #serve(call: Call, path: string): void {
    const method = this.find(path);
    if (!method) throw new CallError(codes.unimplemented, `there is no method ${path} here`);
    const limits: CallLimits = { maxBytes: this.maxBytes, messageMs: this.patience.messageMs, buffers: this.#buffers };
    if (method.kind === 'unary') serveUnary(call, method, limits);
    else this.#stream(call, new StreamingCall(call, method, limits));
  }

  #stream(call: Call, streaming: StreamingCall): void {
    this.#streaming.add(streaming);
    call.onClose(() => this.#streaming.delete(streaming));
    if (this.#draining) streaming.drain();
  }
}
