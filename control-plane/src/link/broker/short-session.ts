import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { clientOptions } from '../mqtt-client.js';

/** One connection for one errand; it is closed whichever way that ends. */
export async function shortSession<T>(
  url: string,
  options: IClientOptions,
  errand: (client: MqttClient) => Promise<T>,
): Promise<T> {
  const client = connect(url, { ...clientOptions, ...options });
  try {
    await connected(client, url);
    return await errand(client);
  } finally {
    await client.endAsync(true);
  }
}

function connected(client: MqttClient, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve());
    client.on('error', (cause) => reject(new Error(`can't connect to the broker at ${url}: ${cause.message}`, { cause })));
    client.once('close', () => reject(new Error(`the broker at ${url} closed the connection`)));
  });
}

/** What was granted for each filter: 0 or 1, or 128 for a refusal. */
export async function grantedFor(client: MqttClient, filters: string[]): Promise<number[]> {
  const grants: number[] = [];
  for (const filter of filters) {
    grants.push(
      await new Promise<number>((resolve) => {
        client.subscribe(filter, { qos: 1 }, (error, granted) => resolve(error ? 128 : (granted?.[0]?.qos ?? 128)));
      }),
    );
  }
  return grants;
}
