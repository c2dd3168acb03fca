import type { Digest } from '@flotilla/protocol/device';
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import { Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../core/backoff.js';
import { UpdateFailure } from '../core/failure.js';
import { http } from '../node-http.js';
import { isErrno, messageOf } from '../errors.js';

type DownloadOptions = {
  /** Origin of the device API. */
  baseUrl: string;
  /** Asked for each request: its certificate is renewed from time to time. */
  agent?: (() => Agent) | undefined;
  /** All downloads together, kilobits per second; absent or 0 means no limit. */
  limitKbps?: number | undefined;
  random?: () => number;
  backoff?: { baseMs: number; capMs: number };
  /** A connection that sends nothing for so long is given up. */
  idleMs?: number;
  /** Where the bytes go; appends with 'a'. */
  openFile?: (file: string, flags: 'a' | 'w') => Writable;
};
export type Wanted = {
  digest: Digest;
  /** Grows here; its ETag lies beside it. */
  into: string;
  /** No more bytes than this are taken. */
  maxBytes: number;
  signal: AbortSignal;
  onWaiting?: (reason: string) => void;
  onReceiving?: () => void;
};

/** Wrong bytes may be a transfer's fault; so many times over they are not. */
const maxWrongBytes = 3;

class Retry extends Error {
  constructor(
    message: string,
    readonly afterMs = 0,
    readonly anew = false,
  ) {
    super(message);
  }
}

/** Fetches artifacts over HTTPS by Range and If-Range, until they are whole or the server says that they never will be. */
export class Downloads {
  readonly #options: Required<Pick<DownloadOptions, 'random' | 'backoff' | 'idleMs' | 'openFile'>> & DownloadOptions;
  /** When the bytes let through so far are paid for, in ms of `performance.now()`. */
  #paidUntil = 0;

  constructor(options: DownloadOptions) {
    const usual = { random: Math.random, backoff: { baseMs: 500, capMs: 60_000 }, idleMs: 30_000, openFile: openToDisk };
    this.#options = { ...usual, ...options };
  }

  /** Resolves once `into` holds exactly the bytes of this digest. Throws UpdateFailure, or what the signal was aborted with. */
  async fetch(wanted: Wanted): Promise<void> {
    let failures = 0;
    let wrongBytes = 0;
    for (;;) {
      const before = await sizeOf(wanted.into);
      try {
        return await this.#attempt(wanted);
      } catch (error) {
        wanted.signal.throwIfAborted();
        const retry = asRetry(error, wanted);
        if (retry.anew) {
          await discard(wanted.into);
          if (++wrongBytes >= maxWrongBytes)
            throw new UpdateFailure('trust', `${retry.message}, ${wrongBytes} times over`, { cause: error });
        }
        failures = (await sizeOf(wanted.into)) > before ? 0 : failures + 1;
        wanted.onWaiting?.(retry.message);
        const jittered = backoffMs(failures, this.#options.backoff, this.#options.random());
        await pause(Math.max(retry.afterMs, jittered), wanted.signal);
      }
    }
  }

  async #attempt(wanted: Wanted): Promise<void> {
    const have = await sizeOf(wanted.into);
    const etag = have > 0 ? await readEtag(wanted.into) : undefined;
    const resume = etag !== undefined;
    const response = await this.#get(wanted, resume ? { range: `bytes=${have}-`, 'if-range': etag } : {});
    const from = startOf(response, wanted, resume ? have : 0, etag);
    const hash = createHash('sha256');
    if (from > 0) await feed(hash, wanted.into);
    else await startAnew(wanted.into, response);
    wanted.onReceiving?.();
    await this.#receive(response, wanted, hash, from);
    if (hash.digest('hex') !== wanted.digest)
      throw new Retry(`artifact ${wanted.digest} came with other bytes than its digest says`, 0, true);
    await rm(etagFile(wanted.into), { force: true });
  }

  #get({ digest, signal }: Wanted, headers: Record<string, string>): Promise<IncomingMessage> {
    const url = new URL(`/device/v1/artifacts/${digest}`, this.#options.baseUrl);
    const secure = url.protocol === 'https:';
    const agent = secure ? this.#options.agent?.() : undefined;
    return new Promise((resolve, reject) => {
      const options = { headers, signal, ...(agent ? { agent } : {}) };
      const request = secure ? httpsRequest(url, options) : http.request(url, options);
      request.setTimeout(this.#options.idleMs, () =>
        request.destroy(new Error(`${url.host} sent nothing for ${this.#options.idleMs} ms`)),
      );
      request.once('response', resolve).once('error', reject).end();
    });
  }

  async #receive(response: IncomingMessage, { into, maxBytes, digest, signal }: Wanted, hash: Hash, from: number): Promise<void> {
    let received = from;
    const check = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        received += chunk.length;
        if (received > maxBytes)
          return done(new Retry(`artifact ${digest} is longer than the ${maxBytes} bytes that it may have`, 0, true));
        hash.update(chunk);
        this.#pace(chunk.length, signal).then(() => done(null, chunk), done);
      },
    });
    await pipeline(response, check, this.#options.openFile(into, from > 0 ? 'a' : 'w'), { signal });
  }

  async #pace(bytes: number, signal: AbortSignal): Promise<void> {
    const kbps = this.#options.limitKbps ?? 0;
    if (kbps <= 0) return;
    const now = performance.now();
    this.#paidUntil = Math.max(now, this.#paidUntil) + (bytes * 8) / kbps;
    await pause(this.#paidUntil - now, signal);
  }
}

/** Where this answer begins; throws what the status means for us. */
function startOf(response: IncomingMessage, { digest }: Wanted, have: number, etag: string | undefined): number {
  const status = response.statusCode ?? 0;
  if (status === 200) return 0;
  const begins = Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]);
  const same = response.headers.etag === undefined || response.headers.etag === etag;
  if (status === 206 && begins === have && same) return have;
  response.resume();
  if (status === 206 || status === 416) throw new Retry(`artifact ${digest} changed on the server (${status})`, 0, true);
  const passing = status >= 500 || status === 408 || status === 425 || status === 429;
  if (passing) throw new Retry(`the server answers ${status} for artifact ${digest}`, retryAfterMs(response));
  throw new UpdateFailure('transport', `the server does not give artifact ${digest}: it answers ${status}`);
}

/** RFC 9110 section 10.2.3: seconds or a date; an hour at most. */
function retryAfterMs(response: IncomingMessage): number {
  const value = response.headers['retry-after'];
  if (value === undefined) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 3_600_000) : 0;
}

function asRetry(error: unknown, { digest }: Wanted): Retry {
  if (error instanceof Retry) return error;
  if (error instanceof UpdateFailure) throw error;
  if (isErrno(error, 'ENOSPC', 'EDQUOT'))
    throw new UpdateFailure('space', `the disk is full: artifact ${digest} does not fit`, { cause: error });
  if (isErrno(error, 'EACCES', 'EROFS', 'EIO', 'ENOENT'))
    throw new UpdateFailure('space', `artifact ${digest} cannot be written: ${messageOf(error)}`, { cause: error });
  return new Retry(`artifact ${digest}: ${messageOf(error)}`);
}

const openToDisk = (file: string, flags: 'a' | 'w') => createWriteStream(file, { flags, flush: true });

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

const etagFile = (into: string) => `${into}.etag`;

async function startAnew(into: string, response: IncomingMessage): Promise<void> {
  await discard(into);
  const { etag } = response.headers;
  // A weak tag does not promise equal bytes (RFC 9110 section 13.1.5): without a strong one there is no resuming.
  if (etag !== undefined && !etag.startsWith('W/')) await writeFile(etagFile(into), etag);
}

async function discard(into: string): Promise<void> {
  await rm(into, { force: true });
  await rm(etagFile(into), { force: true });
}

async function readEtag(into: string): Promise<string | undefined> {
  try {
    return await readFile(etagFile(into), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}

async function feed(hash: Hash, file: string): Promise<void> {
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
}
