import { answerParent } from './child.js';
import { closedLoop, type LoadResult, type OpenLoop, openLoop } from './loops.js';
import { frames } from './transports/frames.js';
import { grpc } from './transports/grpc.js';
import { grpcBare } from './transports/grpc-bare.js';
import { grpcStream } from './transports/grpc-stream.js';
import { rest } from './transports/rest.js';
import type { Call, Connection, Target, TransportName } from './transports/transport.js';

export type ClientQuestion =
  | { connect: { transport: TransportName; target: Target; call: Call; connections: number } }
  | { closedLoop: { ms: number; clients: number } }
  | { openLoop: OpenLoop };

const transports = { rest, grpc, grpcBare, grpcStream, frames };
let connections: Connection[] = [];

answerParent<ClientQuestion>(async (question): Promise<LoadResult | undefined> => {
  if ('closedLoop' in question) return closedLoop(connections.slice(0, question.closedLoop.clients), question.closedLoop.ms);
  if ('openLoop' in question) return openLoop(connections, question.openLoop);
  const { transport, target, call, connections: count } = question.connect;
  for (const connection of connections) connection.close();
  connections = await Promise.all(Array.from({ length: count }, () => transports[transport].open(target, call)));
  return undefined;
});
