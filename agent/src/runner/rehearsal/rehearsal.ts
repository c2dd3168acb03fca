import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GrpcServer } from '../grpc/server.js';
import { SlotListeners } from '../http/slot-listeners.js';
import { type Asked, type Client, grpcClient, restClient } from './clients.js';

type Stage = Asked & {
  handler: RequestListener;
  /** Where the slot speaks it. */
  loadGrpc?: (() => Promise<GrpcServer>) | undefined;
};

/** As many as it takes until what a request passes through is compiled, and no longer than so. */
const most = { requests: 60, ms: 500 };
const leaveMs = 200;

/**
 * Sends inferences through the handlers that will serve, over sockets that nobody else can reach: code that is called for the first
 * time is slow, and in a swap all clients come at that very moment. Tells how many were answered.
 */
export async function rehearse({ handler, loadGrpc, ...asked }: Stage): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-rehearsal-'));
  const [rest, grpc] = [join(folder, 'h'), join(folder, 'g')];
  const listeners = new SlotListeners(handler, loadGrpc ?? noGrpc);
  const clients: Client[] = [];
  try {
    await listeners.listen({ http: { path: rest }, grpc: loadGrpc && { path: grpc } });
    clients.push(restClient(rest, asked));
    if (loadGrpc) clients.push(await grpcClient(grpc, asked));
    return await inTurns(clients);
  } finally {
    for (const { close } of clients) close();
    await listeners.drain(leaveMs);
    await rm(folder, { recursive: true, force: true });
  }
}

const noGrpc = () => Promise.reject(new Error('this slot speaks no gRPC'));

async function inTurns(clients: readonly Client[]): Promise<number> {
  const until = performance.now() + most.ms;
  let answered = 0;
  while (answered < most.requests && performance.now() < until) {
    await Promise.all(clients.map(({ ask }) => ask()));
    answered += clients.length;
  }
  return answered;
}
