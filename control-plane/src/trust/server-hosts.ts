import { hostname } from 'node:os';
import type { ControlPlaneConfig } from '../config.js';

const wildcards = new Set(['0.0.0.0', '::']);

/** Every name under which a device may reach this machine: the server certificate holds them all. */
export function serverHosts({ deviceApi, mqtt }: Pick<ControlPlaneConfig, 'deviceApi' | 'mqtt'>): string[] {
  const published = [deviceApi.publicUrl, mqtt.publicUrl].filter((url) => url !== undefined).map(hostOf);
  const listening = [deviceApi.host, mqtt.host].filter((host) => !wildcards.has(host));
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...listening, ...published])];
}

/** Without the brackets that a URL puts around an IPv6 address. */
const hostOf = (url: string) => new URL(url).hostname.replace(/^\[|\]$/g, '');
