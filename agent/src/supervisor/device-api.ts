import { request } from 'node:https';
import { Problem } from '@flotilla/protocol/device';

/** The device API said no: `code` of its problem details, or HTTP_nnn where it sent none. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  constructor(
    readonly code: string,
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

interface ApiTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

const timeoutMs = 15_000;
const maxAnswerBytes = 256 * 1024;

/** POSTs JSON to the device API on a connection of its own and gives the answer's JSON, unchecked. */
export function postJson(url: URL, body: unknown, tls: ApiTls): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const payload = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
  const sent = request(url, { method: 'POST', headers, ...tls, agent: false, timeout: timeoutMs }, (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if ((bytes += chunk.length) > maxAnswerBytes) response.destroy(new Error(`answer of more than ${maxAnswerBytes} bytes`));
    });
    response.on('error', reject);
    response.on('end', () => {
      try {
        resolve(readAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')));
      } catch (error) {
        reject(error);
      }
    });
  });
  sent.on('timeout', () => sent.destroy(new Error(`no answer from ${url.host} within ${timeoutMs / 1000} s`)));
  sent.on('error', reject);
  sent.end(payload);
  return promise;
}

function readAnswer(status: number, text: string): unknown {
  if (status >= 200 && status < 300) return JSON.parse(text);
  const problem = Problem.safeParse(parsedOrText(text));
  if (problem.success) throw new ApiRefusal(problem.data.code, status, problem.data.detail);
  throw new ApiRefusal(`HTTP_${status}`, status, `HTTP status ${status}`);
}

/** An answer that is not JSON comes from something that is not the device API. */
function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
