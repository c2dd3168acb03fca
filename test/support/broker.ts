import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { connect as connectTcp } from 'node:net';
import { dirname, join } from 'node:path';
import type { Broker } from '@flotilla/control-plane/link/broker/broker';
import { startBroker } from '@flotilla/control-plane/link/broker/start-broker';
import { type BrokerLimits, brokerLimits } from '@flotilla/control-plane/link/broker/embedded-broker';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { Counters } from '@flotilla/control-plane/platform/counters';
import { aTrust, type TestTrust } from './credentials.js';
import { freePorts } from './ports.js';
import { until } from './until.js';

export interface TestBroker extends TestTrust {
  broker: Broker;
  counters: Counters;
}

const silent = { info() {}, warn() {} };

/** Our aedes child on a free port. */
export async function embeddedBroker(limits: Partial<BrokerLimits> = {}): Promise<TestBroker> {
  const own = await aTrust();
  const counters = new Counters();
  const config = ControlPlaneConfig.parse({ mqtt: { port: 0 } });
  const broker = await startBroker({ config, trust: own.trust, log: silent, counters, limits: { ...brokerLimits, ...limits } });
  const close = async () => {
    await broker.stop();
    await own.close();
  };
  return { ...own, broker, counters, close };
}

export const administrator = { username: 'flotilla-admin', password: 'only-for-this-test' };

/** A real Mosquitto, set up by the example that operators are given. */
export async function mosquittoBroker(): Promise<TestBroker> {
  const own = await aTrust();
  const counters = new Counters();
  const mosquitto = await startMosquitto(own.dir);
  const config = ControlPlaneConfig.parse({
    mqtt: {
      url: `mqtts://localhost:${mosquitto.adminPort}`,
      publicUrl: `mqtts://localhost:${mosquitto.devicePort}`,
      dynsec: administrator,
    },
  });
  const close = async () => {
    await stopProcess(mosquitto.process);
    await own.close();
  };
  try {
    const broker = await startBroker({ config, trust: own.trust, log: silent, counters });
    return { ...own, broker, counters, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface Mosquitto {
  process: ChildProcess;
  devicePort: number;
  adminPort: number;
}

/** `extra` is appended to the example's configuration. */
export async function startMosquitto(dir: string, edit: (config: string) => string = (config) => config): Promise<Mosquitto> {
  const [devicePort, adminPort] = (await freePorts(2)) as [number, number];
  for (const name of ['fleet-ca.pem', 'server.pem', 'server.key.pem', 'crl.pem'])
    await copyFile(join(dir, 'secrets', name), join(dir, name));
  const made = spawnSync('mosquitto_ctrl', [
    'dynsec',
    'init',
    join(dir, 'dynamic-security.json'),
    administrator.username,
    administrator.password,
  ]);
  if (made.error || made.status !== 0)
    throw new Error(`mosquitto_ctrl dynsec init failed: ${made.error?.message ?? made.stderr.toString()}`);
  const path = join(dir, 'mosquitto.conf');
  await writeFile(path, edit(await exampleConfig(dir, devicePort, adminPort)));
  return { process: await spawnMosquitto(path, adminPort), devicePort, adminPort };
}

/** As that configuration says: the same once more, after it was killed. */
export async function spawnMosquitto(path: string, adminPort: number): Promise<ChildProcess> {
  const child = spawn('mosquitto', ['-c', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const listens = until(() => isListening(adminPort), 'mosquitto listens');
  await listens.catch(async (error: unknown) => {
    await stopProcess(child);
    throw new Error(`mosquitto did not start; it said: ${said}`, { cause: error });
  });
  return child;
}

async function exampleConfig(dir: string, devicePort: number, adminPort: number): Promise<string> {
  // From the package's folder: this runs from its sources and built.
  const checkout = dirname(dirname(findPackageJSON(import.meta.url)!));
  const example = await readFile(join(checkout, 'deploy/mosquitto/mosquitto.conf'), 'utf8');
  const placed = example
    .replaceAll(/\/(?:etc|var\/lib)\/mosquitto\/flotilla/g, dir)
    .replace('listener 8883', `listener ${devicePort} 127.0.0.1`)
    .replace('listener 8884', `listener ${adminPort} 127.0.0.1`)
    .replace(/^plugin .*$/m, `plugin ${pluginPath()}`);
  // Started as root it would change to a user that can't read the throwaway folder.
  return process.getuid?.() === 0 ? `user root\n${placed}` : placed;
}

/** Debian keeps it in a folder named after the machine. */
function pluginPath(): string {
  const found = spawnSync('sh', [
    '-c',
    'ls /usr/lib/*/mosquitto_dynamic_security.so /usr/lib/mosquitto_dynamic_security.so 2>/dev/null',
  ]);
  const [path] = found.stdout.toString().split('\n');
  if (!path) throw new Error('mosquitto_dynamic_security.so was not found under /usr/lib');
  return path;
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host: '127.0.0.1' });
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
