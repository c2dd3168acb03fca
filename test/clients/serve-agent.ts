// One device of a fleet of one, serving release 1.0.0, until it is told to end: what the clients beside this file talk to.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import { DeviceView } from '@flotilla/protocol';
import { z } from 'zod';
import { localDevices, slot } from '../local-fleet/devices.js';
import { Fleet, devicesFolder, models } from '../local-fleet/fleet.js';
import { freePorts } from '../support/ports.js';

const patienceMs = 120_000;

const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-clients-'));
const [http, deviceApi, mqtt, port, grpcPort] = (await freePorts(5)) as [number, number, number, number, number];
const [device] = localDevices(port);
const log = (line: string) => console.error(line);
const fleet = new Fleet(
  { dataDir, ports: { http, deviceApi, mqtt }, devices: [{ ...device!, grpcPort }] },
  { line: log, update: () => undefined, settle: () => undefined },
);

let ending: Promise<void> | undefined;
const end = () => (ending ??= clear());
async function clear(): Promise<void> {
  await fleet.stop();
  await Promise.all([dataDir, devicesFolder(dataDir)].map((folder) => rm(folder, { recursive: true, force: true })));
}
process.once('SIGTERM', () => void end().then(() => process.exit()));
// Whoever started this may be killed: its end of the pipe then closes.
process.stdin.resume().once('end', () => void end().then(() => process.exit()));

try {
  await fleet.start();
  await runRelease();
  console.log(JSON.stringify({ http: `127.0.0.1:${port}`, grpc: `127.0.0.1:${grpcPort}` }));
} catch (error) {
  console.error(error);
  await end();
  process.exit(1);
}

async function runRelease(): Promise<void> {
  const { client } = fleet;
  const release = await pushRelease(client, join(models, 'releases/1.0.0'));
  const probation = { inferences: 20, timeoutS: 30 };
  await client.post('/api/v1/assignments', { release: release.name, slot, target: '*', probation }, z.unknown());
  for (const deadline = Date.now() + patienceMs; ; await delay(200)) {
    const devices = await client.list('/api/v1/devices', DeviceView);
    if (devices.every((d) => d.slots.some((s) => s.reported?.committed === release.digest))) return;
    if (Date.now() > deadline) throw new Error(`${release.name} was not committed within ${patienceMs / 1000} s`);
  }
}
