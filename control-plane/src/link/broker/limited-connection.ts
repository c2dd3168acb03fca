import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { type ConnectionLimits, type DropReason, Limiter } from './limiter.js';

// aedes itself reads on, however much of what it read has not been taken by its subscribers.
const maxUndelivered = 64;

/** A socket behind the limiter: the parser never sees more than the limits allow, and TCP holds back the rest. */
export class LimitedConnection extends Duplex {
  readonly #limiter: Limiter;
  #wanted = false;
  #paused: NodeJS.Timeout | undefined;
  #undelivered = 0;
  #gathering = false;

  /** `gathers`: what one turn of the loop has for this connection leaves in one write; for who hears everybody. */
  constructor(
    private readonly socket: Socket,
    limits: ConnectionLimits,
    private readonly dropped: (reason: DropReason) => void,
    private readonly gathers = false,
  ) {
    super({ allowHalfOpen: false });
    this.#limiter = new Limiter(limits, performance.now());
    socket.on('readable', () => this.#pump());
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    socket.on('error', (error) => this.destroy(error));
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  #pump(): void {
    if (!this.#wanted || this.#paused || this.#undelivered >= maxUndelivered || this.destroyed) return;
    const chunk = this.socket.read() as Buffer | null;
    if (chunk === null) return;
    const verdict = this.#limiter.admit(chunk, performance.now());
    if ('drop' in verdict) return this.#drop(verdict.drop);
    if (verdict.waitMs > 0) this.#pauseFor(verdict.waitMs);
    this.#wanted = false;
    this.push(chunk);
  }

  /** A packet of this connection is on its way to whoever subscribed it; `delivered` ends that. */
  delivering(): void {
    this.#undelivered++;
  }

  delivered(): void {
    this.#undelivered--;
    this.#pump();
  }

  #pauseFor(ms: number): void {
    this.#paused = setTimeout(() => {
      this.#paused = undefined;
      this.#pump();
    }, ms);
  }

  #drop(reason: DropReason): void {
    this.dropped(reason);
    this.destroy();
  }

  override cork(): void {
    super.cork();
    if (!this.gathers || this.#gathering) return;
    this.#gathering = true;
    super.cork();
    setImmediate(() => {
      this.#gathering = false;
      this.uncork();
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#paused);
    this.socket.destroy();
    done(error);
  }
}
