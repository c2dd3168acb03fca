import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AddressInfo } from 'node:net';
import { type Reply, RequestError, type Route, httpHandler } from '../http/http.js';
import { PredictionStreams } from '../http/prediction-stream.js';
import type { Logger } from '../log.js';
import { http } from '../node-http.js';
import { errorCode, StartError } from '../supervisor/start-error.js';
import { collected, type Shown, type SlotView } from './follow.js';

type About = { name: string; summary: string; release: string; input: string; kind: 'pictures' | 'sound' };
type Parts = { about: About; gateway: SlotView; log: Logger };

// Not compiled: served from src/ as they are, wherever this code runs.
const asset = (name: string) => readFileSync(fileURLToPath(new URL(`../../src/try/page/${name}`, import.meta.url)));
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const secured = { 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' };
const file = (path: string, name: string, type: string): Route => {
  const body = asset(name);
  return { method: 'GET', path, handle: () => ({ headers: { ...secured, 'content-type': type }, body }) };
};
/** Half a minute of sound, for a page that is opened late. */
const kept = 1000;

/** The local page: what is found, as it is found. It listens to this machine alone. */
export class PageServer {
  readonly #streams = new PredictionStreams();
  readonly #recent: Shown[] = [];
  readonly #server;

  constructor(private readonly parts: Parts) {
    this.#server = http.createServer(httpHandler(this.#routes(), parts.log));
  }

  /** Its address. Throws StartError when the port can't be had; 0 is any that is free. */
  listen(port: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#server.once('error', (cause) => {
      const why = errorCode(cause) === 'EADDRINUSE' ? 'another program has that port' : cause.message;
      reject(
        new StartError('unavailable', `The page cannot be shown on 127.0.0.1:${port}: ${why}; give another --port.`, { cause }),
      );
    });
    this.#server.listen(port, '127.0.0.1', () => {
      resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`);
    });
    return promise;
  }

  publish(result: Shown): void {
    this.#recent.push(result);
    if (this.#recent.length > kept) this.#recent.shift();
    this.#streams.publish(result);
  }

  close(): void {
    this.#streams.end();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #routes(): Route[] {
    const { about, gateway } = this.parts;
    const routes: Route[] = [
      file('/', 'index.html', 'text/html; charset=utf-8'),
      file('/page.js', 'page.js', 'text/javascript; charset=utf-8'),
      file('/drawing.js', 'drawing.js', 'text/javascript; charset=utf-8'),
      file('/page.css', 'page.css', 'text/css; charset=utf-8'),
      { method: 'GET', path: '/about', handle: () => ({ body: about }) },
      { method: 'GET', path: '/state', handle: async () => ({ body: await gateway.view() }) },
      { method: 'GET', path: '/recent', handle: () => ({ body: this.#recent }) },
      { method: 'GET', path: '/picture', handle: () => pictureFrom(gateway) },
      { method: 'GET', path: '/results', head: false, handle: () => this.#streams.admit() },
    ];
    return routes.map((route) => ({
      ...route,
      handle: (params, request) => (refuseStrangers(request.headers.host), route.handle(params, request)),
    }));
  }
}

/** Another site's script could reach this page under that site's own name, and see what the camera sees. */
function refuseStrangers(host: string | undefined): void {
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? ''))
    throw new RequestError(403, 'this page is for this machine: open it as 127.0.0.1');
}

async function pictureFrom(gateway: SlotView): Promise<Reply> {
  const response = await gateway.picture();
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  for (const name of ['content-type', 'flotilla-sequence']) {
    const value = response.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return { status: response.statusCode ?? 502, headers, body: await collected(response) };
}
