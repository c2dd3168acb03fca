import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js';
import type { DesiredSlot } from '@flotilla/protocol/device';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetOfOne, inspection, publish, stubPath, until } from './fixtures/fleet-of-one.js';
import { ask, freePort } from './fixtures/loopback.js';

let device: FleetOfOne;
afterEach(() => device.end());
async function committed(is: string): Promise<DesiredSlot> {
  const desired = device.assign(publish(device.server, { 'good.onnx': { is } }));
  await device.reported(desired, 'committed');
  return desired;
}
const infer = `/v2/models/${inspection}/infer`;
const answered = (ask: () => Promise<unknown>) =>
  until(
    () =>
      ask().then(
        () => true,
        () => false,
      ),
    () => 'nobody answers',
  );
const startsTooOften = () => {
  const file = join(device.folder, 'journal', `${inspection}.json`);
  const journal = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...journal, bootCount: 6 }));
};

/** A call with an empty message, and how it ends. */
function call(port: number, service: string, method: string): Promise<ServiceError | Buffer> {
  const path = `/${service}/${method}`;
  const bytes = (b: Buffer) => b;
  const definition = { path, requestStream: false, responseStream: false };
  const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  const Client = makeGenericClientConstructor({ call: { ...definition, ...codec } }, service);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  return new Promise((resolve) =>
    client['call']!(Buffer.alloc(0), (error: ServiceError | null, answer?: Buffer) => {
      client.close();
      resolve(error ?? answer!);
    }),
  );
}

const overUnix = (socketPath: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    httpRequest({ socketPath, path: infer, method: 'POST' }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end('{}');
  });

// The stub is built by `npm test` before anything is run.
describe.skipIf(!existsSync(stubPath))('a slot in safe mode', () => {
  it('answers each request with the reason within a second, and hands over to what serves next', async () => {
    const port = await freePort();
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port } } } };
    device = await FleetOfOne.make({ random: () => 0.1, slots });
    const first = await committed('good');
    const request = () => fetch(`http://127.0.0.1:${port}${infer}`, { method: 'POST', body: '{}' });
    await device.restart(startsTooOften);
    await answered(request);
    await until(
      () => device.runners().length === 0,
      () => 'the runner that was begun still holds memory',
    );
    const refused = await request();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toEqual({
      error: 'no model serves here: safe mode: 7 starts without a steady runner between them',
    });
    const latest = await fetch(`http://127.0.0.1:${port}/v1/slots/${inspection}/predictions/latest`);
    expect([latest.status, await latest.json()]).toEqual([
      503,
      { error: expect.stringMatching(/^no model serves here: safe mode: /), quality: 'safe-mode' },
    ]);
    const alive = await fetch(`http://127.0.0.1:${port}/v2/health/live`);
    expect([alive.status, await alive.json()]).toEqual([200, { live: true }]);
    const next = await committed('another');
    expect(next.manifestDigest).not.toBe(first.manifestDigest);
    await until(
      async () => (await Promise.race([ask(port), delay(300)]).catch(() => '')) === next.manifestDigest,
      () => 'the stub still answers',
    );
  });

  it('says so over gRPC and on its UNIX socket as well', async () => {
    const [http, grpc] = [await freePort(), await freePort()];
    const listen = { http: { host: '127.0.0.1', port: http }, grpc: { host: '127.0.0.1', port: grpc } };
    device = await FleetOfOne.make({ random: () => 0.1, slots: { inspection: { listen } } });
    await committed('good');
    const socket = join(device.folder, 'run', 'inspection.sock');
    device.overrides.slots = { inspection: { listen: { ...listen, unix: socket } } };
    await device.restart(startsTooOften);
    await answered(() => overUnix(socket));
    expect(await overUnix(socket)).toBe(503);
    const service = 'inference.GRPCInferenceService';
    expect(await call(grpc, service, 'ModelInfer')).toMatchObject({
      code: 14,
      details: 'no model serves here: safe mode: 7 starts without a steady runner between them',
    });
    expect(await call(grpc, service, 'ServerLive')).toEqual(Buffer.from([8, 1]));
    expect(await call(grpc, 'grpc.health.v1.Health', 'Check')).toEqual(Buffer.from([8, 2]));
  });
});

describe.skipIf(!existsSync(stubPath))('a slot whose runner died', () => {
  it('says that it restarts, once that takes longer than a moment, and then serves again', async () => {
    const port = await freePort();
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port } } } };
    const deadlines = { readyMs: 30_000, graceMs: 500, standInMs: 50 };
    device = await FleetOfOne.make({ random: () => 0.1, slots, deadlines });
    const serving = device.assign(publish(device.server, { 'good.onnx': { loadMs: 3000 } }));
    await device.reported(serving, 'committed', 20_000);
    process.kill(Math.max(...device.runners()), 'SIGKILL');
    await device.serves(undefined);
    const request = () => fetch(`http://127.0.0.1:${port}${infer}`, { method: 'POST', body: '{}' });
    await answered(request);
    const refused = await request();
    expect([refused.status, await refused.json()]).toEqual([
      503,
      { error: 'no model serves here: restarting: the runner ended by SIGKILL' },
    ]);
    await device.serves(serving.manifestDigest);
  });
});
