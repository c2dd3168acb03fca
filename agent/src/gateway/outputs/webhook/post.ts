import type { Agent, IncomingMessage } from 'node:http';
import { http } from '../../../node-http.js';

const https = process.getBuiltinModule('node:https');

type Post = {
  url: URL;
  agent: Agent;
  headers: Record<string, string>;
  body: string;
  timeoutMs: number;
  signal: AbortSignal;
};
/** `retryAfterMs`: how long the receiver asks to be left alone. */
export type Answer = { status: number; retryAfterMs: number; location: string | undefined };

/** What a receiver may say to it: nobody reads it. */
const mostAnswerBytes = 64 * 1024;
const longestRetryAfterMs = 10 * 60_000;

/** One connection that is kept, and one request at a time. */
export const agentFor = (url: URL, ca: Buffer | undefined): Agent =>
  url.protocol === 'https:'
    ? new https.Agent({ keepAlive: true, maxSockets: 1, ...(ca ? { ca } : {}) })
    : new http.Agent({ keepAlive: true, maxSockets: 1 });

/** Follows no redirect: whoever answers says where else to send, but not that it may be sent there. Throws where there is no answer. */
export function post({ url, agent, headers, body, timeoutMs, signal }: Post): Promise<Answer> {
  const request = url.protocol === 'https:' ? https.request : http.request;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const timeout = AbortSignal.timeout(timeoutMs);
  const length = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  const asked = request(url, {
    method: 'POST',
    agent,
    headers: { ...headers, ...length },
    signal: AbortSignal.any([signal, timeout]),
  });
  const fail = (error: Error) => reject(timeout.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : error);
  asked.on('error', fail);
  asked.on('response', (response) => {
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > mostAnswerBytes) response.destroy(new Error('its answer does not end'));
    });
    response.on('error', fail);
    // Only then is the connection free for the next.
    response.on('end', () => resolve(answerOf(response)));
  });
  asked.end(body);
  return promise;
}

const answerOf = ({ statusCode = 0, headers }: IncomingMessage): Answer => ({
  status: statusCode,
  retryAfterMs: retryAfterMs(headers['retry-after'], Date.now()),
  location: headers.location,
});

/** Seconds, or a date (RFC 9110 section 10.2.3). */
export function retryAfterMs(text: string | undefined, now: number): number {
  if (text === undefined) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestRetryAfterMs) : 0;
}
