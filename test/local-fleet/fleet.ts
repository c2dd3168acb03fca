import { mkdir, readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FlotillaClient } from '@flotilla/control-plane/cli/flotilla-client';
import { z } from 'zod';
import { Child } from './child.js';
import { writeAgentConfig, type LocalDevice } from './devices.js';
import type { Progress } from './progress.js';

/** The checkout, whether this file runs as source or from dist. */
const root = dirname(dirname(findPackageJSON(import.meta.url)!));
export const models = join(root, 'test/models');
const controlPlane = join(root, 'control-plane/dist/src/main.js');
export const agentProgram = join(root, 'agent/bin/flotilla-agent.js');

/** A control plane that was killed is back within seconds; whoever watches it waits. */
const patienceMs = 30_000;

/** What the control plane says over IPC once it listens. */
const Ready = z.object({ type: z.literal('ready'), http: z.url(), adminTokenFile: z.string() });

/** Beside the control plane's data folder, which holds nothing else. */
export const devicesFolder = (dataDir: string) => `${dataDir}-devices`;

type FleetOptions = {
  dataDir: string;
  ports: { http: number; deviceApi: number; mqtt: number };
  devices: readonly LocalDevice[];
};

/** The local fleet's programs: one control plane and its devices, each a process of its own. */
export class Fleet {
  readonly #children = new Map<string, Child>();
  #client: FlotillaClient | undefined;
  #started = 0;

  constructor(
    private readonly options: FleetOptions,
    private readonly progress: Progress,
  ) {}

  get client(): FlotillaClient {
    if (!this.#client) throw new Error('the control plane has not been started');
    return this.#client;
  }

  async start(): Promise<void> {
    await mkdir(this.#folder('logs'), { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
      throw new Error(`${this.#folder()} cannot be made (${cause.code}): choose another place with --data`, { cause });
    });
    await this.#startControlPlane();
    await Promise.all(this.options.devices.map((device) => this.#startAgent(device)));
    await this.#allOnline();
  }

  /** Devices first: they say goodbye while somebody listens. */
  async stop(): Promise<void> {
    const [controlPlaneChild, ...agents] = this.#children.values();
    await Promise.all(agents.map((child) => child.stop()));
    await controlPlaneChild?.stop();
    this.#children.clear();
  }

  /** Process id of a device's supervisor, or of the control plane. */
  pidOf(name: string): number {
    const pid = this.#children.get(name)?.pid;
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  }

  configOf(device: string): string {
    return join(this.#folder('agents', device), 'agent.yaml');
  }

  #folder(...path: string[]): string {
    return join(devicesFolder(this.options.dataDir), ...path);
  }

  async #startControlPlane(): Promise<void> {
    const { dataDir, ports } = this.options;
    const ready = Promise.withResolvers<z.output<typeof Ready>>();
    const child = this.#child(
      'control plane',
      [controlPlane, '--exit-with-parent'],
      {
        FLOTILLA_DATA: dataDir,
        FLOTILLA_HTTP_PORT: String(ports.http),
        FLOTILLA_DEVICE_API_PORT: String(ports.deviceApi),
        FLOTILLA_MQTT_PORT: String(ports.mqtt),
        // A fleet to watch: windows of a second, uploaded each second.
        FLOTILLA_WINDOW_S: '1',
        FLOTILLA_UPLOAD_S: '1',
        FLOTILLA_HEARTBEAT_S: '5',
      },
      (message) => {
        const parsed = Ready.safeParse(message);
        if (parsed.success) ready.resolve(parsed.data);
      },
    );
    await child.start(async () => void (await ready.promise));
    const { http, adminTokenFile } = await ready.promise;
    this.#client = new FlotillaClient(http, (await readFile(adminTokenFile, 'utf8')).trim(), patienceMs);
    this.progress.line(`control plane ready at ${http}`);
  }

  async #startAgent(device: LocalDevice): Promise<void> {
    const folder = this.#folder('agents', device.name);
    const server = `https://127.0.0.1:${this.options.ports.deviceApi}`;
    const config = await writeAgentConfig(folder, device, server, join(models, 'photographs'));
    const enrolled = await this.#isEnrolled(device.name);
    const token = enrolled ? {} : { FLOTILLA_CLAIM_TOKEN: await this.#claimToken(device) };
    const child = this.#child(device.name, [agentProgram, 'run', '--config', config, '--exit-with-parent'], token);
    await child.start(() => this.#enrolled(device.name));
    this.progress.update(
      'devices',
      ++this.#started,
      this.options.devices.length,
      `${device.name} ${enrolled ? 'is back' : 'enrolled'}`,
    );
  }

  async #claimToken({ name, labels }: LocalDevice): Promise<string> {
    return (await this.client.claimTokens.create({ name, labels, expiresInS: 600 })).token;
  }

  async #isEnrolled(name: string): Promise<boolean> {
    const devices = await this.client.devices.list();
    return devices.some((device) => device.id === name);
  }

  async #enrolled(name: string): Promise<void> {
    while (!(await this.#isEnrolled(name))) await delay(200);
  }

  async #allOnline(): Promise<void> {
    for (const deadline = Date.now() + 60_000; ; await delay(250)) {
      const online = (await this.client.devices.list()).filter((device) => device.online).length;
      this.progress.update('online', online, this.options.devices.length, 'connected over mTLS');
      if (online >= this.options.devices.length) return;
      if (Date.now() > deadline)
        throw new Error(
          `only ${online} of ${this.options.devices.length} devices came online within 60 s; their logs are in ${this.#folder('logs')}`,
        );
    }
  }

  #child(name: string, args: readonly string[], env: Record<string, string>, onMessage?: (message: unknown) => void): Child {
    const child = new Child({
      name,
      args,
      env: { ...inherited(), ...env },
      logFile: this.#folder('logs', `${name.replaceAll(' ', '-')}.log`),
      ...(onMessage ? { onMessage } : {}),
      onRestart: (exit) => this.progress.line(`${name} died (${exit}); started again`),
    });
    this.#children.set(name, child);
    return child;
  }
}

/** What a program needs of our environment; settings of other Flotillas on this machine are not passed on. */
const inherited = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !/^(FLOTILLA_|MQTT_URL$)/.test(entry[0]),
    ),
  );
