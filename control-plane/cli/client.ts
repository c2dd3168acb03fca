import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as delay } from 'node:timers/promises';
import { type Digest, Problem } from '@flotilla/protocol';
import { z } from 'zod';

/** What the control plane said no to, or that it could not be reached. `code` is the problem's, or UNREACHABLE. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A path whose parts may hold anything: at`/api/v1/devices/${id}`. */
export const at = (texts: TemplateStringsArray, ...parts: readonly string[]): string =>
  String.raw({ raw: texts.raw }, ...parts.map(encodeURIComponent));

type Query = Readonly<Record<string, string | number | boolean | undefined>>;
type Call = {
  method: string;
  body?: NonNullable<RequestInit['body']>;
  type?: string;
  size?: number;
  accept404?: boolean;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};
/** What was read, and the tag with which it can be changed as it was read. */
type TaggedValue<T> = { value: T; tag: string };

/** A request with a key is done once, however often it is sent: worth asking again for so long. */
const keyedPatienceMs = 5000;

/** The operator API over HTTP; every answer is parsed before anybody uses it. */
export class ApiClient {
  constructor(
    readonly url: string,
    private readonly token: string,
    /** How long to go on asking a control plane that is down, milliseconds. */
    private readonly patienceMs = 0,
  ) {}

  get<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> {
    return this.#patiently(() => this.#json({ method: 'GET' }, path, schema), isPassing);
  }

  /** All pages of a list, at most `limit` items. */
  async list<S extends z.ZodType>(path: string, item: S, limit = 10_000): Promise<z.output<S>[]> {
    const page = z.object({ items: z.array(item), next: z.string().optional() });
    const items: z.output<S>[] = [];
    let cursor: string | undefined;
    do {
      const query = new URLSearchParams({ limit: String(Math.min(500, limit - items.length)), ...(cursor ? { cursor } : {}) });
      const answer = await this.get(`${path}${path.includes('?') ? '&' : '?'}${query.toString()}`, page);
      items.push(...answer.items);
      cursor = answer.next;
    } while (cursor !== undefined && items.length < limit);
    return items;
  }

  async getTagged<S extends z.ZodType>(path: string, schema: S): Promise<TaggedValue<z.output<S>>> {
    const call = { method: 'GET' };
    const response = await this.#patiently(() => this.#send(call, path), isPassing);
    return { value: await this.#parsed(call, path, response, schema), tag: response.headers.get('etag') ?? '*' };
  }

  /** Done once: where the answer is lost on the way, the same request with the same key asks for it again. */
  async post<S extends z.ZodType>(path: string, body: unknown, schema: S, tag?: string): Promise<z.output<S>> {
    const headers = { 'idempotency-key': randomUUID(), ...ifMatch(tag) };
    const call = { method: 'POST', body: JSON.stringify(body), type: 'application/json', headers };
    const send = () => this.#json(call, path, schema);
    try {
      return await this.#patiently(send, wasNeverSent);
    } catch (error) {
      if (!mayBeDone(error)) throw error;
      return this.#patiently(send, (later) => isPassing(later) || mayBeDone(later), keyedPatienceMs);
    }
  }

  /** `tag`: only where it is still as it was read. */
  put<S extends z.ZodType>(path: string, body: unknown, schema: S, tag?: string): Promise<z.output<S>> {
    const call = { method: 'PUT', body: JSON.stringify(body), type: 'application/json', headers: ifMatch(tag) };
    return this.#json(call, path, schema);
  }

  patch<S extends z.ZodType>(path: string, body: unknown, schema: S, tag?: string): Promise<z.output<S>> {
    const call = { method: 'PATCH', body: JSON.stringify(body), type: 'application/json', headers: ifMatch(tag) };
    return this.#json(call, path, schema);
  }

  async delete(path: string, schema?: undefined, tag?: string): Promise<void>;
  async delete<S extends z.ZodType>(path: string, schema: S, tag?: string): Promise<z.output<S>>;
  async delete(path: string, schema?: z.ZodType, tag?: string): Promise<unknown> {
    const call = { method: 'DELETE', headers: ifMatch(tag) };
    return schema ? this.#json(call, path, schema) : void (await this.#send(call, path));
  }

  /** True where the control plane has the file already. */
  async hasArtifact(digest: Digest): Promise<boolean> {
    const head = () => this.#send({ method: 'HEAD', accept404: true }, `/api/v1/artifacts/${digest}`);
    return (await this.#patiently(head, isPassing)).ok;
  }

  /** `size` is announced: what is too large is refused before it is sent. */
  async putArtifact(digest: Digest, file: string, size: number): Promise<void> {
    const send = () => {
      const body = Readable.toWeb(createReadStream(file)) as ReadableStream;
      return this.#send({ method: 'PUT', body, size, type: 'application/octet-stream' }, `/api/v1/artifacts/${digest}`);
    };
    await this.#patiently(send, isPassing);
  }

  /** The control plane's clock, to the second. */
  async time(): Promise<Date> {
    const response = await this.#send({ method: 'GET' }, '/api/v1/status');
    return new Date(response.headers.get('date') ?? Number.NaN);
  }

  /** With what is asked of it; what is undefined is not asked. */
  protected address(path: string, query: Query): string {
    const given = Object.entries(query).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, String(value)] as [string, string]],
    );
    return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
  }

  /** Again and again while the failure is one that passes; at once where nobody asked for patience. */
  async #patiently<T>(ask: () => Promise<T>, passes: (error: unknown) => boolean, forMs = this.patienceMs): Promise<T> {
    for (const deadline = Date.now() + forMs; ; await delay(250)) {
      try {
        return await ask();
      } catch (error) {
        if (Date.now() >= deadline || !passes(error)) throw error;
      }
    }
  }

  async #json<S extends z.ZodType>(call: Call, path: string, schema: S): Promise<z.output<S>> {
    return this.#parsed(call, path, await this.#send(call, path), schema);
  }

  async #parsed<S extends z.ZodType>(call: Call, path: string, response: Response, schema: S): Promise<z.output<S>> {
    const answer = schema.safeParse(await jsonOf(response));
    if (answer.success) return answer.data;
    const issues = answer.error.issues
      .map((issue) => [...(issue.path.length > 0 ? [issue.path.join('.')] : []), issue.message].join(': '))
      .join('; ');
    throw new ApiError(
      'UNEXPECTED_ANSWER',
      `${call.method} ${path} answered something unexpected: ${issues}; is the control plane of the same version?`,
    );
  }

  /** The text of an answer that goes on and on. */
  async stream(path: string, headers: Record<string, string>, signal?: AbortSignal): Promise<AsyncIterable<string>> {
    const { body } = await this.#send({ method: 'GET', headers, ...(signal && { signal }) }, path);
    return body!.pipeThrough(new TextDecoderStream());
  }

  /** The bytes of an answer that may be large. */
  async bytes(path: string): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#send({ method: 'GET' }, path);
    return body as ReadableStream<Uint8Array>;
  }

  async #send({ method, body, type, size, accept404, headers, signal }: Call, path: string): Promise<Response> {
    const response = await this.#fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...headers,
        ...(type ? { 'content-type': type } : {}),
        ...(size === undefined ? {} : { 'content-length': String(size) }),
      },
      ...(body === undefined ? {} : { body, duplex: 'half' }),
      ...(signal && { signal }),
    });
    if (response.ok || (accept404 && response.status === 404)) return response;
    const problem = Problem.safeParse(await jsonOf(response));
    if (problem.success) throw new ApiError(problem.data.code, problem.data.detail);
    // The answer to HEAD has no body that could say so.
    if (response.status === 401)
      throw new ApiError('UNAUTHORIZED', 'the token is not the right one: give --token or FLOTILLA_TOKEN');
    throw new ApiError('UNEXPECTED_ANSWER', `${method} ${path} answered ${response.status} without saying why`);
  }

  async #fetch(url: string, init: RequestInit & { duplex?: 'half' }): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      throw new ApiError(
        'UNREACHABLE',
        `the control plane at ${this.url} cannot be reached (${reasonOf(cause)}); is it running?`,
        { cause },
      );
    }
  }
}

const ifMatch = (tag?: string): Record<string, string> => (tag === undefined ? {} : { 'if-match': tag });

/** Nobody listened: not even a request that changes something can have done it. */
const wasNeverSent = (error: unknown) =>
  error instanceof ApiError && error.code === 'UNREACHABLE' && reasonOf(error.cause) === 'ECONNREFUSED';
/** The answer to a request with a key is still to be had: the connection broke, or the first try is being worked on. */
const mayBeDone = (error: unknown) =>
  error instanceof ApiError &&
  (error.code === 'REQUEST_RUNNING' ||
    (error.code === 'UNREACHABLE' && ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(reasonOf(error.cause))));
/** The control plane, or its database, is starting again; asking twice is harmless. */
const isPassing = (error: unknown) => error instanceof ApiError && ['UNREACHABLE', 'INTERNAL'].includes(error.code);

/** Undefined where it is no JSON: a schema then says so. */
const jsonOf = (response: Response): Promise<unknown> => response.json().catch(() => undefined);

const reasonOf = (error: unknown) => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return (cause as { code?: string }).code ?? (cause instanceof Error ? cause.message : String(cause));
};
