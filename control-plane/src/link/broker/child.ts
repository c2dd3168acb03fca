import type { FromChild, ToChild } from './child-protocol.js';
import { EmbeddedBroker } from './embedded-broker.js';

const reportEveryMs = 2000;
let broker: EmbeddedBroker | undefined;
let counts: Record<string, number> = {};

const tell = (message: FromChild) => void process.send?.(message);

async function listen({ host, port, tls, limits }: Extract<ToChild, { type: 'listen' }>): Promise<void> {
  try {
    broker = await EmbeddedBroker.start(tls, limits, { count: (reason) => (counts[reason] = (counts[reason] ?? 0) + 1) });
    tell({ type: 'listening', port: await broker.listen(host, port) });
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    tell({ type: 'failed', code, message });
  }
}

function report(): void {
  if (Object.keys(counts).length > 0) tell({ type: 'counts', counts });
  counts = {};
}

process.on('message', (message: ToChild) => {
  if (message.type === 'listen') void listen(message);
  else if (message.type === 'tls') broker?.setTls(message.tls);
  else if (message.type === 'drop') broker?.drop(message.device);
  else void broker?.stop().then(() => process.exit(0));
});
// The channel closes when the parent is gone, however it went: a broker without its control plane serves nobody.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent ends this process when it is done with it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
setInterval(report, reportEveryMs);
