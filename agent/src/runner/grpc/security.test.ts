import { createHash } from 'node:crypto';
import { type ChannelCredentials, Metadata, credentials as channels } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetCa, aClient, aFleetCa } from '../../fixtures/fleet-ca.js';
import { GrpcClient, inferImages, refusal } from '../fixtures/grpc-client.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, anywhere, serve } from '../fixtures/served.js';
import { Security } from '../../http/security.js';
import { codes } from './status.js';

const workshop = new Workshop();
const token = 'correct-horse-battery';
let server: FleetCa;
let clients: FleetCa;
let slot: Served;
beforeAll(async () => {
  [server, clients] = [await aFleetCa('server CA'), await aFleetCa('clients CA')];
  const security = new Security({
    certificate: server.tls.cert,
    key: server.tls.key,
    clientCa: clients.ca.toString('pem'),
    tokens: [createHash('sha256').update(token).digest('hex')],
  });
  slot = await serve(workshop, await workshop.smallRelease('colour'), {}, { grpc: anywhere }, { security });
});
afterAll(async () => {
  await slot.close();
  await workshop.clear();
});

const trusted = () => Buffer.from(server.ca.toString('pem'));
async function asked(channel: ChannelCredentials, metadata = new Metadata()) {
  const client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`, {}, undefined, channel);
  try {
    return await client.call('ModelInfer', inferImages(), { metadata, deadline: Date.now() + 10_000 });
  } finally {
    client.close();
  }
}
const bearing = (text: string) => {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${text}`);
  return metadata;
};

test('an exposed slot answers gRPC over TLS to whoever shows a token or a client certificate', async () => {
  expect(await asked(channels.createSsl(trusted()), bearing(token))).toMatchObject({ model_name: 'inspection' });
  const { key, cert } = await aClient(clients, 'hmi');
  const withCertificate = channels.createSsl(trusted(), Buffer.from(key), Buffer.from(cert));
  expect(await asked(withCertificate)).toMatchObject({ model_name: 'inspection' });
});

test('and refuses everybody else: UNAUTHENTICATED with a sentence, and nothing without TLS', async () => {
  for (const metadata of [new Metadata(), bearing('another-token-of-some-length')]) {
    const { code, details } = await refusal(asked(channels.createSsl(trusted()), metadata));
    expect([code, details]).toEqual([codes.unauthenticated, expect.stringMatching(/this slot asks for a token/)]);
  }
  const stranger = await aClient(server, 'stranger');
  const wrong = channels.createSsl(trusted(), Buffer.from(stranger.key), Buffer.from(stranger.cert));
  expect((await refusal(asked(wrong))).code).toBe(codes.unauthenticated);
  expect((await refusal(asked(channels.createInsecure(), bearing(token)))).code).toBe(codes.unavailable);
});
