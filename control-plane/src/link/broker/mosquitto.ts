import type { IClientOptions } from 'mqtt';
import type { Broker, BrokerParts } from './broker.js';
import { checkBroker } from './check-broker.js';
import { DynamicSecurity } from './dynamic-security.js';

/** An operator's Mosquitto: it is not ours to start or stop, only to tell who may do what. */
export async function openMosquitto({ config, trust, url }: BrokerParts & { url: string }): Promise<Broker> {
  const { dynsec, publicUrl } = config.mqtt;
  if (!dynsec)
    throw new Error('mqtt.url names an external broker: set mqtt.dynsec to the administrator of its dynamic-security plugin');
  const security = new DynamicSecurity(url, { ...administratorTls(url, trust.caPem()), ...dynsec });
  await security.prepare(dynsec.username);
  const broker: Broker = {
    kind: 'external',
    url,
    publicUrl: publicUrl ?? url,
    credentials: dynsec,
    admit: (device) => security.admit(device),
    dropSession: (device) => security.dismiss(device),
    onRestart: () => {},
    stop: async () => {},
  };
  await checkBroker(broker, trust);
  return broker;
}

const administratorTls = (url: string, ca: string): IClientOptions => (url.startsWith('mqtts:') ? { ca } : {});
