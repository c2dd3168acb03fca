import { ServerLiveResponse, inferenceService } from './answers.js';
import { encode } from './encode.js';
import { healthMethods, healthService } from './health.js';
import type { Method } from './methods.js';
import { GrpcServer } from './server.js';
import { CallError, codes } from './status.js';

/** Of a message; those that it reads have a name in them at most. */
const maxBytes = 64 * 1024;

/** gRPC where no model serves: alive, not serving, and each call refused with the reason before its message is read. */
export function stubServer(why: string): GrpcServer {
  const alive: Method = { kind: 'unary', handle: () => [encode(ServerLiveResponse, { live: true })] };
  const health = healthMethods(() => false);
  return new GrpcServer((path) => {
    if (path === `/${inferenceService}/ServerLive`) return alive;
    if (path.startsWith(`/${healthService}/`)) return health.get(path);
    throw new CallError(codes.unavailable, why);
  }, maxBytes);
}
