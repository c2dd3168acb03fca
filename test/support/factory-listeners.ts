import { createServer } from 'node:http';
import { commandOf, decode } from '@flotilla/agent/gateway/outputs/sparkplug/fixtures/decode';
import { connectAsync, type MqttClient } from 'mqtt';
import type { OpenPeer } from './factory-kinds.js';
import type { Seen } from './factory-seen.js';

type Reading = { sequence: number; gateway: string; quality: string; historical: boolean };
const node = 'plant/NCMD/press-1';
const rebirth = commandOf({ name: 'Node Control/Rebirth', datatype: 11, booleanValue: true });

/** What is published while it is away waits for it at the broker. */
async function subscriber(port: number, seen: Seen, topic: string): Promise<MqttClient> {
  const session = { clientId: `peer-${process.pid}`, clean: false, reconnectPeriod: 200 };
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, session);
  client.on('error', () => {});
  client.on('close', () => seen.fell());
  await client.subscribeAsync(topic, { qos: 1 });
  return client;
}

function take(seen: Seen, { sequence, gateway, quality, historical }: Reading): void {
  seen.run(gateway);
  seen.reading(sequence, quality, historical);
}

export const mqttPeer: OpenPeer = async (port, seen, slot) => {
  const client = await subscriber(port, seen, `flotilla/+/${slot}`);
  await client.subscribeAsync(`flotilla/+/${slot}/status`, { qos: 1 });
  client.on('message', (topic, payload, { retain }) => {
    const body = JSON.parse(payload.toString()) as Reading & { swaps?: number; rollBacks?: number };
    if (topic.endsWith('/status')) {
      seen.swaps(body.swaps ?? 0);
      seen.rollBacks(body.rollBacks ?? 0);
    } else if (!retain) take(seen, body);
  });
  return undefined;
};

/** Knows metrics by the aliases of the births, as any host does; commands the node, where it shall flood it. */
export const sparkplugPeer: OpenPeer = async (port, seen, slot) => {
  const client = await subscriber(port, seen, 'spBv1.0/plant/#');
  const names = new Map<number, string>();
  client.on('message', (topic, payload) => {
    const [, , verb, , device] = topic.split('/');
    if (verb === 'NCMD' || verb === 'DCMD' || (device !== undefined && device !== slot)) return;
    const { metrics } = decode(payload);
    if (verb === 'NBIRTH') {
      const number = metrics.find(({ name }) => name === 'bdSeq');
      seen.run(`birth ${String(number?.longValue)}`);
    }
    for (const { name, alias, longValue, isHistorical } of metrics) {
      if (name && alias !== undefined) names.set(Number(alias), name);
      const known = name ?? names.get(Number(alias));
      if (longValue === undefined) continue;
      if (known === 'Swaps') seen.swaps(longValue);
      if (known === 'Roll Backs') seen.rollBacks(longValue);
      if (known === 'Sequence') seen.reading(longValue, '', isHistorical ?? false);
    }
  });
  // It came later than the birth.
  await client.publishAsync(`spBv1.0/${node}`, rebirth);
  return async (ms) => {
    const until = performance.now() + ms;
    while (performance.now() < until) await client.publishAsync(`spBv1.0/${node}`, Buffer.alloc(1024, 1));
  };
};

export const webhookPeer: OpenPeer = async (port, seen) => {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.once('end', () => {
      const { data } = JSON.parse(Buffer.concat(pieces).toString()) as { data: { readings: Reading[] } };
      for (const reading of data.readings) take(seen, reading);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return undefined;
};
