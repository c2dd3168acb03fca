import { request } from 'node:http';
import { Violation, type Trace } from '../check.js';

type Sent = { method?: string; path: string; headers?: Record<string, string>; body?: Buffer | string | object };
export type Came = { status: number; headers: Readonly<Record<string, string | string[] | undefined>>; body: Buffer };

const patienceMs = 30_000;

/** Plain HTTP/1.1, a connection for each request; remembers the last exchange. */
export class RestClient {
  last: Trace | undefined;

  constructor(readonly base: string) {}

  async send({ method = 'GET', path, headers = {}, body }: Sent): Promise<Came> {
    const bytes = bytesOf(body);
    this.last = { sent: `${method} ${path}${bytes ? ` ${shown(bytes)}` : ''}`, came: 'nothing' };
    const came = await this.#exchange(
      method,
      path,
      { ...(bytes ? { 'content-type': 'application/json' } : {}), ...headers },
      bytes,
    );
    this.last.came = `${came.status} ${shown(came.body)}`;
    return came;
  }

  #exchange(method: string, path: string, headers: Record<string, string>, body: Buffer | undefined): Promise<Came> {
    return new Promise((resolve, reject) => {
      const length = body && !('transfer-encoding' in headers) ? { 'content-length': String(body.length) } : {};
      const sending = request(this.base + path, { method, headers: { ...length, ...headers }, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      });
      sending.setTimeout(patienceMs, () => sending.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
      sending.on('error', reject);
      sending.end(body);
    });
  }
}

const bytesOf = (body: Sent['body']): Buffer | undefined => {
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
};

/** Enough to see what it was; bytes that are no text as dots. */
function shown(bytes: Buffer): string {
  const text = bytes
    .subarray(0, 400)
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, '.');
  return bytes.length > 400 ? `${text}… (${bytes.length} bytes)` : text;
}

export function jsonOf({ body }: Came): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new Violation('the body is no JSON');
  }
}
