import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { openDataFolder } from '@flotilla/control-plane/platform/data-folder';
import { serverHosts } from '@flotilla/control-plane/trust/server-hosts';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { downKinds, downTopic, TenantId, DeviceId, upKinds, upTopic } from '@flotilla/protocol';
import { administrator, startMosquitto, stopProcess, type Mosquitto } from '../support/broker.js';
import { aControlPlane, type Settings, type TestControlPlane } from '../support/control-plane.js';

export type BrokerKind = 'aedes' | 'mosquitto';
/** Speaks for every device: a role for benches, which no control plane ever grants. */
export type CrowdLogin = { url: string; username: string; password: string };
export interface SimulationServer {
  readonly controlPlane: TestControlPlane;
  /** The broker's process, where it is not a child of the control plane. */
  readonly brokerPid: number | undefined;
  /** Only Mosquitto can be told of such a one. */
  readonly crowd: CrowdLogin | undefined;
  stop(): Promise<void>;
}

/** A control plane with a broker of the wanted kind. Mosquitto is told of the devices before it starts: one by one takes it an hour. */
export async function startServer(
  kind: BrokerKind,
  settings: Settings,
  devices: readonly string[],
  options: Options = {},
): Promise<SimulationServer> {
  if (kind === 'aedes') {
    const controlPlane = await aControlPlane(settings, options);
    return { controlPlane, brokerPid: undefined, crowd: undefined, stop: () => controlPlane.stop() };
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-'));
  const { mosquitto, mqtt, crowd } = await mosquittoFor(dataDir, devices);
  return withMosquitto(mosquitto, crowd, { ...settings, dataDir, mqtt }, options);
}

type Options = NonNullable<Parameters<typeof aControlPlane>[1]>;
type MqttSettings = { url: string; publicUrl: string; dynsec: typeof administrator };

/** A Mosquitto for the control plane of this data folder, told of the devices before it starts. */
export async function mosquittoFor(
  dataDir: string,
  devices: readonly string[],
): Promise<{ mosquitto: Mosquitto; mqtt: MqttSettings; crowd: CrowdLogin }> {
  await makeSecrets(dataDir);
  const password = randomBytes(24).toString('hex');
  const mosquitto = await startMosquitto(dataDir, (config) => {
    admitAll(join(dataDir, 'dynamic-security.json'), devices, password);
    return config;
  });
  const mqtt = {
    url: `mqtts://localhost:${mosquitto.adminPort}`,
    publicUrl: `mqtts://localhost:${mosquitto.devicePort}`,
    dynsec: administrator,
  };
  return { mosquitto, mqtt, crowd: { url: mqtt.url, username: crowdName, password } };
}

async function withMosquitto(
  mosquitto: Mosquitto,
  crowd: CrowdLogin,
  settings: Settings,
  options: Options,
): Promise<SimulationServer> {
  const end = async () => {
    await stopProcess(mosquitto.process);
    await rm(settings.dataDir!, { recursive: true, force: true });
  };
  try {
    const controlPlane = await aControlPlane(settings, options);
    const stop = async () => {
      await controlPlane.stop();
      await end();
    };
    return { controlPlane, brokerPid: mosquitto.process.pid, crowd, stop };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Mosquitto's certificate is the control plane's, which is made at its first start. */
async function makeSecrets(dataDir: string): Promise<void> {
  const folder = await openDataFolder(dataDir);
  const trust = await TrustService.open(folder, serverHosts(ControlPlaneConfig.parse({ dataDir })));
  trust.stop();
  folder.close();
}

type Rule = { acltype: string; topic: string; priority: number; allow: boolean };
type DynamicSecurity = { clients: object[]; roles: { rolename: string; acls: Rule[] }[] };

function admitAll(path: string, devices: readonly string[], password: string): void {
  const config = JSON.parse(readFileSync(path, 'utf8')) as DynamicSecurity;
  for (const name of devices) {
    const device = DeviceId.parse(name);
    const rolename = `device-${device}`;
    config.roles.push({ rolename, acls: rulesOf(device) });
    config.clients.push({ username: device, roles: [{ rolename }] });
  }
  config.roles.push({ rolename: crowdName, acls: crowdRules });
  config.clients.push({ username: crowdName, ...hashed(password), roles: [{ rolename: crowdName }] });
  writeFileSync(path, JSON.stringify(config));
}

const crowdName = 'bench-crowd';
const iterations = 101;
/** As Mosquitto 2 keeps passwords. */
function hashed(password: string): { password: string; salt: string; iterations: number } {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, iterations, 64, 'sha512');
  return { password: hash.toString('base64'), salt: salt.toString('base64'), iterations };
}

const tenant = TenantId.parse('default');
const rulesOf = (device: DeviceId): Rule[] => [
  ...upKinds.map((kind) => rule('publishClientSend', upTopic(tenant, device, kind))),
  ...downKinds.map((kind) => rule('subscribeLiteral', downTopic(tenant, device, kind))),
];
const rule = (acltype: string, topic: string): Rule => ({ acltype, topic, priority: 0, allow: true });
const crowdRules: Rule[] = [rule('publishClientSend', 'fl/v1/default/+/up/#'), rule('subscribePattern', 'fl/v1/default/+/dn/#')];
