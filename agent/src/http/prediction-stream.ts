import type { ServerResponse } from 'node:http';
import { RequestError, type Streamed } from './http.js';
import { type Prediction, qualityOf } from '../prediction.js';

/** `bufferedBytes`: what may wait for one reader in this process; beyond it, its events are dropped. */
export const streamLimits = { readers: 32, bufferedBytes: 64 * 1024, keepAliveMs: 15_000 };

const retryMs = 2000;
/** Not 0: where no runner follows, a client would ask without a pause. */
const movedRetryMs = 100;
/** A reader that takes nothing over so many keep-alives is gone, and its place is given to another. */
const patientKeepAlives = 3;
/** How long a reader's last event may take to go out; a slow one must not hold the drain until its deadline. */
const lastWordsMs = 300;

/** No `connection: keep-alive`: a stream's connection ends with it, so that the next one is made to the runner that listens then. */
const headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
  connection: 'close',
};
const moved = `event: moved\nretry: ${movedRetryMs}\ndata: {"reason":"this runner ends; connect again"}\n\n`;

type Reader = { response: ServerResponse; dropped: number; fullKeepAlives: number };

/**
 * Predictions as Server-Sent Events, one for each. Sequence numbers begin anew with each runner, so a `Last-Event-ID` can't be resumed
 * from: it is passed over, and the stream goes on with what comes.
 */
export class PredictionStreams {
  readonly #readers = new Set<Reader>();
  readonly #keepAlive: NodeJS.Timeout;
  #places: number;
  #dropped = 0;
  #ended = false;

  constructor(private readonly limits = streamLimits) {
    this.#places = limits.readers;
    this.#keepAlive = setInterval(() => this.#readers.forEach((reader) => this.#check(reader)), limits.keepAliveMs).unref();
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Events that some reader did not get. */
  get dropped(): number {
    return this.#dropped;
  }

  /** A place is taken here, before the answer begins: pipelined requests are all admitted before the first stream opens. */
  admit(): Streamed {
    if (this.#places === 0)
      throw new RequestError(429, `${this.limits.readers} readers follow the predictions already; try again later`, {
        'retry-after': '5',
      });
    this.#places -= 1;
    return { stream: (response) => this.#open(response) };
  }

  /** Never waits: a reader that can't keep up loses events, and is told how many. */
  publish(prediction: Prediction, quality: string = qualityOf(prediction)): void {
    if (this.#readers.size === 0) return;
    this.#send(`id: ${prediction.seq}\nevent: prediction\ndata: ${JSON.stringify({ ...prediction, quality })}\n\n`);
  }

  /** What readers are told between predictions; as with these, one that can't keep up does without. */
  tell(event: string, data: object): void {
    this.#send(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #send(event: string): void {
    if (this.#ended) return;
    for (const reader of this.#readers) {
      if (!this.#isFull(reader)) write(reader, event);
      else {
        reader.dropped += 1;
        this.#dropped += 1;
      }
    }
  }

  /** Sends every reader to the next runner; who comes later is sent on at once. Repeated, it changes nothing. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#keepAlive);
    this.#readers.forEach(sendOn);
  }

  #open(response: ServerResponse): void {
    const reader = { response, dropped: 0, fullKeepAlives: 0 };
    this.#readers.add(reader);
    response.on('close', () => this.#leave(reader));
    response.writeHead(200, headers);
    response.write(`retry: ${retryMs}\n\n`);
    if (this.#ended) sendOn(reader);
  }

  #leave(reader: Reader): void {
    if (this.#readers.delete(reader)) this.#places += 1;
  }

  #isFull({ response }: Reader): boolean {
    return response.writableLength >= this.limits.bufferedBytes;
  }

  #check(reader: Reader): void {
    if (!this.#isFull(reader)) write(reader, ': keep-alive\n\n');
    else if (++reader.fullKeepAlives >= patientKeepAlives) reader.response.req.socket.destroy();
  }
}

function write(reader: Reader, text: string): void {
  reader.response.write(droppedNote(reader) + text);
  reader.dropped = 0;
  reader.fullKeepAlives = 0;
}

function sendOn(reader: Reader): void {
  const { response } = reader;
  response.end(droppedNote(reader) + moved);
  setTimeout(() => response.req.socket.destroy(), lastWordsMs).unref();
}

const droppedNote = ({ dropped }: Reader) => (dropped > 0 ? `: dropped ${dropped}\n` : '');
