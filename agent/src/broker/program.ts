import { type FromBroker, ToBroker } from '../device-broker.js';
import { isErrno, messageOf } from '../errors.js';
import { DeviceBroker } from './broker.js';

const heartbeatMs = 1000;

/** Connects the broker to its parent's channel. */
export function startProgram(): void {
  let refused: Record<string, number> = {};
  const count = (reason: string) => (refused[reason] = (refused[reason] ?? 0) + 1);

  process.on('message', (message) => void listen(message));
  // A broker without its supervisor serves nobody.
  process.on('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0);
  // Ctrl-C reaches the whole process group; the parent ends this process when it is done with it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  setInterval(() => {
    send({ type: 'heartbeat', rssBytes: process.memoryUsage.rss(), refused });
    refused = {};
  }, heartbeatMs);

  async function listen(message: unknown): Promise<void> {
    const { settings } = ToBroker.parse(message);
    try {
      await DeviceBroker.start(settings, count);
      send({ type: 'listening' });
    } catch (error) {
      const { host, port } = settings.listen;
      const isTaken = isErrno(error, 'EADDRINUSE');
      const reason = isTaken ? `another program has ${host}:${port}: give broker.listen another port` : messageOf(error);
      send({ type: 'failed', reason });
    }
  }
}

const send = (message: FromBroker) => void (process.connected && process.send!(message));
