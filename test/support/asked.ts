import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export type Reply = { status?: number; body?: unknown; location?: string } | 'silence';

/** A server that is asked, and answers what a test says; what it was asked, it keeps. */
export async function anAskedServer(port = 0) {
  const asked: { path: string; body?: unknown }[] = [];
  const its: { reply: Reply } = { reply: {} };
  const server = createServer((request, response) => {
    void (async () => {
      asked.push({ path: request.url!, ...(request.method === 'POST' && { body: await json(request) }) });
      if (its.reply === 'silence') return;
      const { status = 200, body, location } = its.reply;
      response.writeHead(status, { 'content-type': 'application/json', ...(location && { location }) });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return { asked, its, port: own, url: `http://127.0.0.1:${own}`, stop };
}
