import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Coding, codingNamed, codings, decompressor } from './compression.js';
import { messageOf } from '../errors.js';
import { free } from '../free.js';
import type { Logger } from '../log.js';

/** The client is at fault, and is told how. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

/**
 * `body`: bytes go out as they are, under the content type in `headers`; anything else as JSON. `tail` follows it, is given away, and
 * freed once it is sent, where it shares its memory with nothing else.
 */
export type Reply = { status?: number; headers?: Record<string, string>; body: unknown; tail?: readonly Uint8Array[] };
/** The handler writes the response itself, for as long as it likes. */
export type Streamed = { stream: (response: ServerResponse) => void };
export type Route = {
  method: 'GET' | 'POST';
  /** Segments; `:name` takes any one and hands it over under its name. */
  path: string;
  /** HEAD is asked like GET, and its body left out; not where the answer never ends. */
  head?: false;
  handle: (params: Readonly<Record<string, string>>, request: IncomingMessage) => Promise<Reply | Streamed> | Reply | Streamed;
};

export const maxBodyBytes = 64 * 1024 * 1024;

/**
 * One place that turns outcomes into statuses; error bodies are the Open Inference Protocol's `{"error": …}`. `refusalOf`: what else than a
 * RequestError is no bug.
 */
export function httpHandler(
  routes: readonly Route[],
  log: Logger,
  refusalOf: (error: unknown) => Reply | undefined = () => undefined,
): (request: IncomingMessage, response: ServerResponse) => void {
  const parsed = routes.map((route) => ({ route, methods: methodsOf(route), segments: route.path.split('/') }));
  const byLength = Map.groupBy(parsed, ({ segments }) => segments.length);
  return (request, response) => {
    void answer(request).then((reply) => ('stream' in reply ? reply.stream(response) : send(response, reply)));
  };

  async function answer(request: IncomingMessage): Promise<Reply | Streamed> {
    try {
      const { route, params } = find(request);
      return await route.handle(params, request);
    } catch (error) {
      return refusal(error);
    }
  }

  function find(request: IncomingMessage): { route: Route; params: Record<string, string> } {
    // The Open Inference Protocol's prose says /v2, its OpenAPI document /v2/.
    const path = request.url!.split('?', 1)[0]!.replace(/(?<=.)\/$/, '');
    const segments = path.split('/').map(decode);
    const allowed: string[] = [];
    for (const { route, methods, segments: pattern } of byLength.get(segments.length) ?? []) {
      if (!matches(pattern, segments)) continue;
      if (methods.includes(request.method!)) return { route, params: paramsOf(pattern, segments) };
      allowed.push(...methods);
    }
    if (allowed.length === 0) throw new RequestError(404, `there is no ${path} here`);
    const allow = allowed.join(', ');
    throw new RequestError(405, `${path} takes ${allow}, not ${request.method}`, { allow });
  }

  function refusal(error: unknown): Reply {
    const body = { error: messageOf(error) };
    if (isCut(error)) return { status: 400, body: { error: 'the body ended before it was whole' } };
    if (error instanceof RequestError) return { status: error.status, body, headers: error.headers };
    const known = refusalOf(error);
    if (known) return known;
    log.error({ reason: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'a request failed');
    return { status: 500, body };
  }
}

const methodsOf = ({ method, head }: Route): string[] => (method === 'GET' && head !== false ? ['GET', 'HEAD'] : [method]);

const isCut = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET';

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RequestError(400, `the path has a malformed escape: ${segment}`);
  }
}

const matches = (pattern: readonly string[], segments: readonly string[]) =>
  pattern.every((part, i) => part === segments[i] || part.startsWith(':'));

function paramsOf(pattern: readonly string[], segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) if (part.startsWith(':')) params[part.slice(1)] = segments[i]!;
  return params;
}

function send(response: ServerResponse, { status = 200, body, headers = {}, tail = [] }: Reply): void {
  const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  // A body that nobody read would be taken for the next request.
  const unread = !response.req.complete ? { connection: 'close' } : {};
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': tail.reduce((sum, { length }) => sum + length, bytes.length),
    ...unread,
    ...headers,
  });
  if (tail.length === 0) {
    response.end(bytes);
    return;
  }
  response.cork();
  response.write(bytes);
  // Where it could not be sent the socket may still hold it.
  for (const piece of tail) response.write(piece, (error) => void (error ?? free(piece)));
  response.uncork();
  response.end();
}

/** The whole body, decompressed where it is compressed, or a refusal as soon as it is known to be too large. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const coding = codingOf(request);
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
  // Left whole when refused: destroying the request would take the socket, and with it the answer.
  return coding ? await readCompressed(request, coding) : await collect(request.iterator({ destroyOnReturn: false }), tooLarge);
}

const tooLarge = (how = '') => new RequestError(413, `the body is larger than ${maxBodyBytes} bytes${how}`);

function codingOf(request: IncomingMessage): Coding | undefined {
  const named = request.headers['content-encoding'];
  if (!named || named.toLowerCase() === 'identity') return undefined;
  const coding = codingNamed(named);
  if (coding) return coding;
  const taken = codings.join(' or ');
  throw new RequestError(415, `a body in content-encoding "${named}" is not taken; send it as ${taken}, or plain`, {
    'accept-encoding': codings.join(', '),
  });
}

async function readCompressed(request: IncomingMessage, coding: Coding): Promise<Buffer> {
  const decoder = decompressor(coding);
  // A pipe hands on data and its end, not the client's going away.
  request.once('error', (error) => decoder.destroy(error));
  try {
    return await collect(request.pipe(decoder), () => tooLarge(' once decompressed'));
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw error;
    throw new RequestError(400, `the body is no whole ${coding}: ${messageOf(error)}`);
  }
}

/** Stops reading at the limit, so that little of a zip bomb is ever unpacked. */
async function collect(source: AsyncIterable<Buffer>, tooMuch: () => RequestError): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw tooMuch();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
