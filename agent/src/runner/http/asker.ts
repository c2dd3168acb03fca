import type { IncomingMessage } from 'node:http';
import type { Asker } from '../queue/queue.js';

/** The client of a request; it is gone when its connection is. */
export function askerOf({ socket }: Pick<IncomingMessage, 'socket'>): Asker {
  return {
    get isGone() {
      return socket.destroyed;
    },
    onGone(listener) {
      socket.once('close', listener);
      return () => void socket.off('close', listener);
    },
  };
}
