import type { PushSource } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import type { Outcome, Sink, Source } from '../source.js';
import { type Content, ContentError, contentOf, type ContentKind, kindOf } from './content.js';

/** What a body may be, by the content type that comes with it; without one, or with one that says nothing, its bytes decide. */
const kinds: readonly [RegExp, ContentKind][] = [
  [/^image\/(jpeg|jpg|png|webp)$/, 'picture'],
  [/^application\/(json|.+\+json)$/, 'features'],
  [/^audio\/(wav|wave|x-wav|vnd\.wave)$/, 'sound'],
];
const sayNothing = /^(application\/octet-stream|application\/x-www-form-urlencoded)?$/;
/** Above what waits in the lane already: who pushes faster than is inferred is told so. */
const mostWaiting = 4;
const soon = { 'retry-after': '1' };

/** What comes over the gateway's own listener, which hands it in: each push waits for its result. */
export class PushedSource implements Source {
  #sink: Sink | undefined;
  #waiting = 0;

  constructor(private readonly config: PushSource) {}

  start(sink: Sink): void {
    this.#sink = sink;
    sink.state({ state: 'running' });
  }

  async stop(): Promise<void> {
    this.#sink = undefined;
  }

  /** Throws RequestError. */
  async push(body: Uint8Array, contentType: string | undefined): Promise<Outcome> {
    const sink = this.#sink;
    if (!sink) throw new RequestError(503, 'the source is stopped', soon);
    const content = this.#read(body, contentType);
    if (this.#waiting >= mostWaiting) throw new RequestError(429, `${this.#waiting} pushes wait for their results already`, soon);
    this.#waiting += 1;
    try {
      return await sink.submit({ ...content, capturedAt: Date.now() });
    } finally {
      this.#waiting -= 1;
    }
  }

  #read(body: Uint8Array, contentType: string | undefined): Content {
    const most = this.config.push.maxMb * 1024 * 1024;
    if (body.byteLength > most)
      throw new RequestError(413, `the body has ${body.byteLength} bytes, and ${most} are taken (push.maxMb)`);
    const said = saidKind(contentType);
    const is = kindOf(body);
    if (said && is && said !== is)
      throw new RequestError(400, `the body's content type says ${said}, its bytes are of the kind ${is}`);
    try {
      return contentOf(body);
    } catch (error) {
      if (error instanceof ContentError) throw new RequestError(400, `the body can not be read: ${error.message}`);
      throw error;
    }
  }
}

function saidKind(contentType: string | undefined): ContentKind | undefined {
  const [type = ''] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const known = kinds.find(([pattern]) => pattern.test(type));
  if (!known && !sayNothing.test(type)) {
    const taken = 'image/jpeg, image/png, image/webp, audio/wav and application/json are taken';
    throw new RequestError(415, `the content type ${type} is not taken; ${taken}`);
  }
  return known?.[1];
}
