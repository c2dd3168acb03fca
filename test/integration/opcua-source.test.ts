import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { opcuaSource } from '@flotilla/agent/gateway/sources/opcua';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { OpcUaSource } from '@flotilla/protocol';
import { DataType } from 'node-opcua';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { PressServer } from '../support/opcua-server.js';

const folders = new Folders();
const open: (() => Promise<unknown>)[] = [];
let server: PressServer;
let folder: string;
beforeAll(async () => {
  folder = await folders.make();
  server = new PressServer(folder, await freePort());
  await server.start();
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
afterAll(async () => {
  await server.stop();
  await folders.clear();
});

const nodes = { t: 'ns=1;s=temperature', n: 'ns=1;s=strokes', mode: 'ns=1;s=mode', closed: 'ns=1;s=closed' };

async function begin(config: object = {}, own?: string) {
  const sink = new CollectingSink();
  const place = own ?? (await folders.make());
  const source = opcuaSource(OpcUaSource.parse({ opcua: server.url, nodes, everyMs: 50, security: 'none', ...config }), {
    slot: 'press',
    folder: place,
  });
  open.push(() => source.stop());
  source.start(sink);
  return { sink, folder: place };
}
const isRunning = (sink: CollectingSink) => eventually(() => sink.now?.state === 'running');

it('gives the variables of a server as features, as they change; what is bad is missing', async () => {
  const { sink } = await begin();
  await eventually(() => sink.features.length > 0);
  expect(sink.features[0]).toEqual({ t: 21.5, n: 7, mode: 'auto', closed: true });
  expect(sink.offered[0]).toMatchObject({ name: server.url, payload: { kind: 'features' } });
  server.set('strokes', DataType.Int64, [-1, 0xffff_fffe]);
  server.set('mode', DataType.String, 'manual');
  await eventually(() => sink.features.at(-1)?.['mode'] === 'manual' && sink.features.at(-1)?.['n'] === -2);
  server.break('temperature');
  await eventually(() => sink.features.at(-1)?.['t'] === null);
  server.set('temperature', DataType.Double, Number.NaN);
  server.set('temperature', DataType.Double, 30);
  await eventually(() => sink.features.at(-1)?.['t'] === 30);
});

it('says which variable the server does not have, and which names none', async () => {
  const { sink } = await begin({ nodes: { t: 'ns=1;s=temperature', p: 'ns=1;s=pressure' } });
  await eventually(() => sink.now?.state === 'failed');
  expect(sink.now?.reason).toContain('has no ns=1;s=pressure (p): BadNodeIdUnknown');
  const { sink: other } = await begin({ nodes: { t: 'temperature' } });
  await eventually(() => other.now?.state === 'failed');
  expect(other.now?.reason).toContain('"temperature" names no variable');
});

it('trusts no server that nobody trusted, says what to do, and goes on when that is done', async () => {
  const { sink, folder: own } = await begin({ security: 'sign-and-encrypt' });
  await eventually(() => sink.now?.state === 'failed');
  expect(sink.now?.reason).toContain('serverCertificateFile');
  expect(sink.offered).toEqual([]);
  const pki = join(own, 'opcua-pki');
  const [rejected] = await readdir(join(pki, 'rejected'));
  await rename(join(pki, 'rejected', rejected!), join(pki, 'trusted', 'certs', rejected!));
  await isRunning(sink);
});

it.each([
  ['sign', undefined],
  ['sign-and-encrypt', 'Basic256Sha256'],
  ['sign-and-encrypt', 'Aes256_Sha256_RsaPss'],
])('speaks %s with %s to a server whose certificate it was given', async (security, policy) => {
  const { sink } = await begin({ security, policy, serverCertificateFile: server.certificateFile });
  await eventually(() => sink.features.length > 0);
});

it('needs the right password, and takes it once it is there', async () => {
  const passwordFile = join(await folders.make({ secret: 'wrong\n' }), 'secret');
  const { sink } = await begin({ username: 'line', passwordFile });
  await eventually(() => sink.now?.state === 'failed');
  expect(sink.now?.reason).toMatch(/BadIdentityTokenRejected|BadUserAccessDenied/);
  await writeFile(passwordFile, 'right\n');
  await isRunning(sink);
});

it('waits for a server that is away, and goes on with a gap when it is back', async () => {
  const { sink } = await begin();
  await eventually(() => sink.features.length > 0);
  await server.stop();
  await eventually(() => sink.now?.state === 'waiting');
  expect(sink.now?.reason).toContain(server.url);
  const before = sink.offered.length;
  await server.start();
  await eventually(() => sink.offered.length > before);
  expect(sink.offered[before]?.gap).toBe(true);
  expect(sink.now).toEqual({ state: 'running' });
});
