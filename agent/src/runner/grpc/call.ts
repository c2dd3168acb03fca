import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { acceptedCodings, codingOf, compressed, decompressed } from './compression.js';
import { free } from '../../free.js';
import { Deframer, type Frame, framed } from './framing.js';
import type { MessageBuffers } from './message-buffers.js';
import type { Asker } from '../queue/queue.js';
import { CallError, type Status, codes, statusOf, trailersOf } from './status.js';

export type CallLimits = {
  /** Of one message, decompressed. */
  maxBytes: number;
  /** How long a message may take from its first byte to its last. */
  messageMs: number;
  buffers: MessageBuffers;
};
const contentType = 'application/grpc';
const noError = 0;

/** One call on one HTTP/2 stream: messages in, messages out, then a status. What is written after the end, or to a client that is gone, is dropped. */
export class Call implements Asker {
  /** When it came, by the clock of `performance`. */
  readonly since = performance.now();
  /** What is left of the client's deadline when it comes. */
  readonly timeoutMs: number | undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  /** What came whole and was not read yet. */
  readonly #lent = new Set<Buffer>();
  /** One listener on the stream tells them all: a stream of messages has many that wait. */
  readonly #whenGone = new Set<() => void>();
  #ended = false;
  #trailers: Record<string, string> = {};

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.#headers = headers;
    this.timeoutMs = timeoutIn(headers['grpc-timeout'] as string | undefined);
    // Its close follows, and tells the same.
    stream.on('error', () => {});
    stream.once('close', () => this.#whenGone.forEach((tell) => tell()));
  }

  get over(): boolean {
    return this.#ended || this.#stream.destroyed || this.#stream.closed;
  }

  get isGone(): boolean {
    return this.over;
  }

  onGone(listener: () => void): () => void {
    this.#whenGone.add(listener);
    return () => void this.#whenGone.delete(listener);
  }

  onClose(listener: () => void): void {
    this.#stream.once('close', listener);
  }

  /** Hands each message over as it came; `onEnd` once the client has said all. What breaks the framing ends the call. */
  receive({ maxBytes, messageMs, buffers }: CallLimits, onFrame: (frame: Frame) => void, onEnd: () => void): void {
    const deframer = new Deframer(maxBytes, buffers, (frame) => {
      if (frame.lent) this.#lent.add(frame.lent);
      onFrame(frame);
    });
    let late: NodeJS.Timeout | undefined;
    const watch = (waits: boolean) => {
      if (!waits) clearTimeout(late);
      late = waits ? (late ?? setTimeout(() => this.fail(tooSlow(messageMs)), messageMs)) : undefined;
    };
    this.#stream.on('data', (chunk: Buffer) => {
      if (this.over) return;
      try {
        deframer.push(chunk);
        watch(deframer.midway);
      } catch (error) {
        this.fail(error);
      }
    });
    this.#stream.on('end', () => {
      if (this.over) return;
      if (deframer.midway) this.fail(new CallError(codes.invalidArgument, 'the call ended within a message'));
      else onEnd();
    });
    this.#stream.on('close', () => {
      clearTimeout(late);
      deframer.abandon();
      for (const buffer of this.#lent) buffers.giveBack(buffer);
      this.#lent.clear();
    });
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** What `handle` makes of a message. Its bytes are lent until `handle` first waits: a buffer of its own has only what is kept longer. */
  async read<T>(frame: Frame, { maxBytes, buffers }: CallLimits, handle: (message: Buffer) => T): Promise<Awaited<T>> {
    const lent = frame.lent && this.#lent.delete(frame.lent) ? frame.lent : undefined;
    // The client went away, and took back what it had sent.
    if (frame.lent && !lent) throw new CallError(codes.unavailable, 'the call is over');
    let made: T;
    try {
      made = handle(frame.compressed ? await this.#decompressed(frame, maxBytes) : frame.bytes);
    } finally {
      if (lent) buffers.giveBack(lent);
    }
    return await made;
  }

  #decompressed(frame: Frame, maxBytes: number): Promise<Buffer> {
    return decompressed(frame, codingOf(this.#headers['grpc-encoding'] as string | undefined), maxBytes);
  }

  /** A message for the client, under the coding that it uses itself. Its pieces are given away. */
  async send(pieces: readonly Uint8Array[]): Promise<void> {
    const coding = codingOf(this.#headers['grpc-encoding'] as string | undefined);
    const smaller = coding && (await compressed(pieces, coding));
    if (this.over) return;
    if (!this.#stream.headersSent) this.#respond(coding);
    this.#stream.cork();
    // Once sent it is nobody's any more; where it could not be, the session may still hold it.
    for (const piece of smaller ? framed([smaller], true) : framed(pieces))
      this.#stream.write(piece, (error) => void (error ?? free(piece)));
    this.#stream.uncork();
  }

  end(status: Status = { code: codes.ok, message: '' }): void {
    if (this.over) return;
    this.#ended = true;
    this.#trailers = trailersOf(status);
    if (this.#stream.headersSent) this.#stream.end();
    else {
      this.#stream.respond({ ':status': 200, 'content-type': contentType, ...this.#trailers }, { endStream: true });
      this.#leave();
    }
  }

  fail(error: unknown): void {
    this.end(statusOf(error));
  }

  #respond(coding: string | undefined): void {
    const encoding = coding ? { 'grpc-encoding': coding, 'grpc-accept-encoding': acceptedCodings } : {};
    this.#stream.respond({ ':status': 200, 'content-type': contentType, ...encoding }, { waitForTrailers: true });
    this.#stream.on('wantTrailers', () => {
      this.#stream.sendTrailers(this.#trailers);
      this.#leave();
    });
  }

  /** A client that still sends is told that nobody listens any more (RFC 9113, 8.1). */
  #leave(): void {
    if (this.#stream.readableEnded) return;
    this.#stream.resume();
    setImmediate(() => this.#stream.close(noError));
  }
}

const tooSlow = (ms: number) => new CallError(codes.deadlineExceeded, `the message was not whole within ${ms / 1000} s`);

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout`: at most eight digits and a unit. What is none of it is passed over, as by other servers. */
function timeoutIn(header: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(header ?? '') ?? [];
  return unit === undefined ? undefined : Number(digits) * units[unit]!;
}
