import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { DeviceTls } from './credentials.js';

const plain: IClientOptions = { protocolVersion: 4, clean: true, reconnectPeriod: 0, keepalive: 60, queueQoSZero: false };

/** Resolves once connected; rejects with the broker's or TLS's reason. */
export function connectClient(url: string, options: IClientOptions): Promise<MqttClient> {
  const client = connect(url, { ...plain, ...options });
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve(client));
    client.on('error', (error) => {
      reject(error);
      client.end(true);
    });
    client.once('close', () => reject(new Error('the broker closed the connection')));
  });
}

export const connectDevice = (url: string, tls: DeviceTls, clientId: string, options: IClientOptions = {}) =>
  connectClient(url, { ...tls, clientId, ...options });

/** 128 is a refusal. */
export function subscribe(client: MqttClient, filter: string): Promise<number> {
  return new Promise((resolve) => {
    client.subscribe(filter, { qos: 1 }, (error, granted) => resolve(error ? 128 : (granted?.[0]?.qos ?? 128)));
  });
}

/** What arrives, as text. */
export function received(client: MqttClient): { topic: string; text: string }[] {
  const messages: { topic: string; text: string }[] = [];
  client.on('message', (topic, payload) => messages.push({ topic, text: payload.toString() }));
  return messages;
}

export const closed = (client: MqttClient) =>
  new Promise<void>((resolve) => (client.stream.destroyed ? resolve() : client.once('close', () => resolve())));

/** CONNECT as bytes (MQTT 3.1.1 section 3.1): clean session, keep-alive 60 s. */
export function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId);
  const body = Buffer.concat([Buffer.from([0, 4]), Buffer.from('MQTT'), Buffer.from([4, 2, 0, 60, 0, id.length]), id]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

/** SUBSCRIBE to one filter with QoS 1 (section 3.8). */
export function subscribePacket(filter: string): Buffer {
  const name = Buffer.from(filter);
  return Buffer.concat([Buffer.from([0x82, name.length + 5, 0, 1, 0, name.length]), name, Buffer.from([1])]);
}
