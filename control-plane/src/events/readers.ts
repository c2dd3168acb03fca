import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../platform/errors.js';
import type { Logger } from '../platform/logger.js';
import { placeFrame, resetFrame } from './event-frames.js';
import type { LogTail } from './log-tail.js';
import { pour, StreamEnd } from './pour.js';

const mostReaders = 100;
const keepAliveMs = 15_000;
const slowAfterMs = 30_000;
const lastsMs = 3_600_000;

/** What lies between two places of a log, as frames. */
type FramesBetween = (from: number, until: number) => AsyncIterable<string>;

/** Those who follow a log as it grows. Each has its own place in it and reads from there: nothing is kept in memory for it. */
export class Readers {
  readonly #readers = new Set<AbortController>();
  #closed = false;

  constructor(
    private readonly tail: LogTail,
    private readonly log: Logger,
    private readonly what: string,
  ) {}

  /** Before the answer begins: a refusal is still a problem document. */
  refuseTooMany(): void {
    if (this.#closed || this.#readers.size >= mostReaders)
      throw new AppError('TOO_MANY_REQUESTS', `${mostReaders} readers follow the ${this.what} already: ask again later`);
  }

  /** Until the reader goes, or is ended. `after`: the id that it had last; absent, it begins now. */
  async serve(response: ServerResponse, between: FramesBetween, after: number | undefined): Promise<void> {
    const reader = new AbortController();
    this.#readers.add(reader);
    const renew = setTimeout(() => reader.abort(new StreamEnd('renew')), lastsMs);
    response.once('close', () => reader.abort(new StreamEnd('failed')));
    try {
      await pour(this.frames(between, after, reader.signal), response, { slowAfterMs, signal: reader.signal });
    } catch (error) {
      this.log.warn({ err: error }, `a stream of ${this.what} ended early`);
    } finally {
      clearTimeout(renew);
      this.#readers.delete(reader);
    }
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.abort(new StreamEnd('shutdown'));
  }

  private async *frames(between: FramesBetween, after: number | undefined, signal: AbortSignal): AsyncGenerator<string> {
    const end = await this.tail.end();
    if (after !== undefined && after > end) yield resetFrame(after, end);
    let at = Math.min(after ?? end, end);
    yield placeFrame(at);
    while (!signal.aborted) {
      const until = await this.endBeyond(at, signal);
      if (until === undefined) {
        yield placeFrame(at);
        continue;
      }
      yield* between(at, until);
      at = until;
    }
  }

  /** Undefined: nothing came for so long that the reader should hear that we are there. */
  private async endBeyond(at: number, signal: AbortSignal): Promise<number | undefined> {
    const silence = new AbortController();
    const ended = AbortSignal.any([signal, silence.signal]);
    const timer = delay(keepAliveMs, undefined, { signal: ended, ref: false }).then(
      () => silence.abort(),
      () => undefined,
    );
    try {
      return await this.tail.beyond(at, ended);
    } finally {
      silence.abort();
      await timer;
    }
  }
}
