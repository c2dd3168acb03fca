import { randomUUID } from 'node:crypto';
import {
  BootId,
  type DesiredState,
  DeviceId,
  digestOf,
  encodePayload,
  TenantId,
  toColumns,
  upTopic,
  type DesiredSlot,
  type UpKind,
} from '@flotilla/protocol';
import { connectAsync, type MqttClient } from 'mqtt';
import { newStream } from '../support/fake-device.js';
import { anUpdate, aWindow } from '../support/records.js';
import { answerParent } from './child.js';

export type CrowdQuestion =
  | { connect: { url: string; ca: string; username: string; password: string }; connections: number; devices: number }
  | { report: true };
export type CrowdReport = { told: number };

const tenant = TenantId.parse('default');
const boot = BootId.parse(randomUUID());
const clients: MqttClient[] = [];
const streams = new Map<string, { stream: ReturnType<typeof newStream>; next: number }>();
let told = 0;

/** Each connection hears of its share of the devices: by the last digits of their names. */
async function connect({ connect: login, connections, devices }: Extract<CrowdQuestion, { connect: object }>): Promise<void> {
  for (let i = 0; i < connections; i++) {
    const { url, ...rest } = login;
    const client = await connectAsync(url, {
      ...rest,
      clientId: `crowd-${i}`,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
    });
    clients.push(client);
    client.on('message', (topic, payload) => void obey(client, topic.split('/')[3]!, payload));
  }
  const topics = Array.from({ length: devices }, (_, i) => `fl/v1/default/crowd-${String(i + 1).padStart(7, '0')}/dn/desired`);
  for (const [i, client] of clients.entries()) {
    const own = topics.filter((_, n) => n % connections === i);
    for (let at = 0; at < own.length; at += 500) await client.subscribeAsync(own.slice(at, at + 500), { qos: 1 });
  }
}

/** As a device that has the release already would: it says what is in force, and that it has committed it. */
async function obey(client: MqttClient, name: string, jws: Buffer): Promise<void> {
  told++;
  // Not parsed: devices share the processor with what is measured, and here are a thousand of them.
  const { epoch, slots, config } = JSON.parse(
    Buffer.from(jws.toString().split('.')[1]!, 'base64url').toString('utf8'),
  ) as DesiredState;
  const device = DeviceId.parse(name);
  const own = streams.get(name) ?? { stream: newStream(), next: 0 };
  streams.set(name, own);
  const position = { v: 1, stream: own.stream, base: own.next, uptime: 100 };
  const heartbeat = { ...position, session: 0, epoch, desiredHash: digestOf({ slots, config }) };
  const said: [UpKind, object[]][] = [
    ['event', slots.flatMap(steps)],
    ['telemetry', slots.map(windowIn)],
  ];
  client.publish(upTopic(tenant, device, 'heartbeat'), encodePayload(heartbeat), { qos: 1 });
  for (const [kind, rows] of said) {
    const batch = { ...position, boot, seq0: own.next, records: toColumns(rows as Record<string, unknown>[]) };
    own.next += rows.length;
    client.publish(upTopic(tenant, device, kind), encodePayload(batch), { qos: 1 });
  }
}

const states = ['offered', 'resolved', 'verified', 'staged', 'probation', 'committed'] as const;
const steps = ({ slot, deployment, manifestDigest: digest }: DesiredSlot) =>
  states.map((state) =>
    anUpdate(boot, {
      slot,
      deployment,
      digest,
      state,
      variant: 'model.int8.onnx',
      ...(state === 'committed' && { committed: digest }),
    }),
  );

const made = aWindow(boot, { variant: 'model.int8.onnx' });
const windowIn = ({ slot, deployment, manifestDigest: digest }: DesiredSlot) => ({ ...made, slot, deployment, digest });

answerParent<CrowdQuestion>((question) => ('report' in question ? ({ told } satisfies CrowdReport) : connect(question)));
