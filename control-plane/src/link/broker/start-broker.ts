import { hostname } from 'node:os';
import type { Broker, BrokerParts } from './broker.js';
import { brokerLimits } from './embedded-broker.js';
import { openMosquitto } from './mosquitto.js';
import { SupervisedBroker } from './supervised-broker.js';

/** Rejects with one sentence when the broker can't be used. */
export function startBroker(parts: BrokerParts): Promise<Broker> {
  const { url } = parts.config.mqtt;
  return url === undefined ? startEmbedded(parts) : openMosquitto({ ...parts, url });
}

async function startEmbedded({
  config,
  trust,
  log,
  counters,
  limits = brokerLimits,
}: BrokerParts): Promise<Broker & { pid(): number | undefined }> {
  const { host, port, publicUrl } = config.mqtt;
  const count = (name: string, by: number) => counters?.count(name, by);
  const child = await SupervisedBroker.start({ host, port, limits, tls: () => trust.serverTls(), log, count });
  const forget = trust.onCrl(() => child.send({ type: 'tls', tls: trust.serverTls() }));
  const url = `mqtts://${reachable(host, 'localhost')}:${child.port}`;
  return {
    kind: 'embedded',
    url,
    publicUrl: publicUrl ?? `mqtts://${reachable(host, hostname())}:${child.port}`,
    pid: () => child.pid,
    // The certificate's name is all that the embedded broker asks for.
    admit: async () => {},
    dropSession: async (device) => child.send({ type: 'drop', device }),
    onRestart: (listener) => child.onRestart(listener),
    stop: async () => {
      forget();
      await child.stop();
    },
  };
}

/** An address to connect to, of one to listen on. */
function reachable(host: string, whenAny: string): string {
  if (host === '0.0.0.0' || host === '::') return whenAny;
  return host.includes(':') ? `[${host}]` : host;
}
