import type { OutputsConfig } from '@flotilla/protocol/device';
import { isLoopback } from '../exposure.js';

type Address = { host: string; port: number };
/** What agent.yaml opens to the control plane beyond this device. */
type OpenAddresses = { listen: readonly Address[]; to: readonly Address[] };
type Wish = { kind: string; how: 'listen' | 'to'; address: Address; onDevice: boolean };

const ports: Record<string, number> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443, http: 80, https: 443 };

/** Why the control plane may not have these outputs: without a word in agent.yaml they stay within this device. */
export function outputComplaint(outputs: OutputsConfig | undefined, open: OpenAddresses): string | undefined {
  for (const { kind, how, address, onDevice } of wishesOf(outputs ?? {})) {
    if (onDevice || open[how].some((its) => isSame(its, address))) continue;
    const at = textOf(address);
    return `it has ${kind} ${how === 'to' ? 'send to' : 'listen on'} ${at}, which is not open to the control plane: agent.yaml would say remoteConfiguration: { outputs: { ${how}: ["${at}"] } }`;
  }
  return undefined;
}

/** Each kind of output either reaches somebody at a `url`, or listens on `host` and `port`. */
function wishesOf(outputs: OutputsConfig): Wish[] {
  return Object.entries(outputs).flatMap(([kind, settings]): Wish[] => {
    if (!settings) return [];
    if (!('url' in settings)) return [{ kind, how: 'listen', address: settings, onDevice: isLoopback(settings.host) }];
    const urls = [settings.url, ...('otherUrls' in settings ? (settings.otherUrls ?? []) : [])];
    // A broker takes what it is sent for a value; what answers HTTP on this device may take it for an order.
    return urls
      .map(addressOf)
      .map((address) => ({ kind, how: 'to', address, onDevice: kind !== 'webhook' && isLoopback(address.host) }));
  });
}

function addressOf(url: string): Address {
  const { protocol, hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? ports[protocol.slice(0, -1)]! : Number(port) };
}

const isSame = (one: Address, other: Address) => one.port === other.port && one.host.toLowerCase() === other.host.toLowerCase();

const textOf = ({ host, port }: Address) => `${host.includes(':') ? `[${host}]` : host}:${port}`;
