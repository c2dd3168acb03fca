import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import { healthMethods } from './health.js';
import { type Served, inferenceMethods } from './inference-service.js';
import { reflectionMethods } from './reflection.js';
import { GrpcServer } from './server.js';

/** Everything that a serving slot says over gRPC. `maxBytes`: of one message. */
export function slotGrpcServer({
  log,
  maxBytes,
  ...served
}: Omit<Served, 'onBug'> & { log: Logger; maxBytes: number }): GrpcServer {
  const onBug = (error: unknown) =>
    log.error({ reason: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'a call failed');
  const methods = new Map([...inferenceMethods({ ...served, onBug }), ...healthMethods(served.isReady), ...reflectionMethods()]);
  return new GrpcServer((path) => methods.get(path), maxBytes);
}
