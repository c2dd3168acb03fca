import type { ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@flotilla/control-plane/platform/postgres/embedded-postgres';
import { deviceNames } from '../../fleet-sim/bulk-enrolment.js';
import { check, total } from '../../fleet-sim/checker.js';
import type { MakeOptions } from '../../fleet-sim/fleet-main.js';
import { FleetProcesses } from '../../fleet-sim/fleet-processes.js';
import type { FleetIdentity } from '../../fleet-sim/identities.js';
import { readLedger } from '../../fleet-sim/ledger-file.js';
import { Relay } from '../../fleet-sim/relay.js';
import { ServerProcess } from '../../fleet-sim/server-process.js';
import { mosquittoFor, type BrokerKind } from '../../fleet-sim/simulation-server.js';
import { spawnMosquitto, stopProcess, type Mosquitto } from '../../support/broker.js';
import type { Settings } from '../../support/control-plane.js';
import { freePorts } from '../../support/ports.js';
import { kinds, processesBelow } from '../process-tree.js';

export type Part = 'agents' | 'broker' | 'control plane' | 'PostgreSQL';
export interface RigOptions {
  readonly broker: BrokerKind;
  readonly devices: number;
  /** Where control plane and database are, and the outboxes; folders of their own where absent. */
  readonly dataDir?: string;
  readonly outboxes?: string;
  /** All outboxes are of one key, so that only the control plane can tell whose they are. */
  readonly oneKey?: boolean;
  readonly fleet?: MakeOptions;
  /** Among which the devices are spread. */
  readonly processes?: number;
  /** An external database and a second control plane on it. */
  readonly replicas?: boolean;
  /** A relay between the control plane and this; a broker that is its own child has none. */
  readonly between?: 'broker' | 'database';
  readonly settings?: Settings;
}
export interface Verdict {
  readonly lost: number;
  readonly doubled: number;
  readonly strange: number;
  readonly kept: number;
}

const slot = 'inspection';
const release = 'product-classifier@1.0.0';
const windowS = 0.2;
const patienceMs = 90_000;

/** A fleet of agents' outboxes, links and sessions, a broker, a control plane and its database: each can be killed, and the records be counted. */
export class TelemetryRig {
  readonly outboxes: string;
  readonly dataDir: string;
  readonly #ledger: string;
  server = new ServerProcess();
  fleet: FleetProcesses;
  relay!: Relay;
  /** Between the control plane and what was asked for. */
  inner: Relay | undefined;
  identity!: FleetIdentity;
  readonly #options: RigOptions;
  readonly #ownFolders: string[] = [];
  #settings!: Settings;
  #mosquitto: (Mosquitto & { respawned?: ChildProcess }) | undefined;
  #life = 0;
  #database: EmbeddedPostgres | undefined;
  second: ServerProcess | undefined;

  private constructor(options: RigOptions) {
    this.#options = options;
    this.fleet = new FleetProcesses(options.processes);
    this.dataDir = options.dataDir ?? this.#ownFolder();
    this.outboxes = options.outboxes ?? this.#ownFolder();
    this.#ledger = join(this.#ownFolder(), 'ledger');
  }

  static async start(options: RigOptions): Promise<TelemetryRig> {
    const rig = new TelemetryRig(options);
    try {
      await rig.#start();
      return rig;
    } catch (error) {
      await rig.end();
      throw error;
    }
  }

  /** It outlives a control plane. */
  get sharesBroker(): boolean {
    return this.#mosquitto !== undefined;
  }

  get settings(): Settings {
    return this.#settings;
  }

  async #start(): Promise<void> {
    const { broker, devices, settings, replicas, between } = this.#options;
    const mqtt = broker === 'aedes' ? { port: (await freePorts(1))[0]! } : await this.#startMosquitto();
    const told = { device: { windowS, uploadS: windowS, heartbeatS: 5 } };
    const external = (replicas || between === 'database') && { databaseUrl: await this.#startDatabase() };
    this.#settings = { ...told, ...settings, ...external, dataDir: this.dataDir, mqtt };
    const identity = await this.server.start('aedes', devices, this.#settings);
    this.relay = await Relay.before(identity.mqttUrl);
    this.identity = { ...identity, mqttUrl: this.relay.url };
    const digest = await this.server.release('1.0.0');
    await this.#bear();
    await this.server.assign(release, slot);
    await this.fleet.reported(digest, patienceMs);
  }

  async #startDatabase(): Promise<string> {
    this.#database = await startEmbeddedPostgres({ dataDir: this.#ownFolder(), log: createLogger('silent') });
    if (this.#options.between !== 'database') return this.#database.url;
    this.inner = await Relay.before(this.#database.url);
    return this.inner.url;
  }

  /** Another control plane with the same keys, on the same database; with the same broker where that is not the first one's own. */
  async startSecond(): Promise<{ mqttUrl: string }> {
    const dataDir = this.#ownFolder();
    cpSync(join(this.dataDir, 'secrets'), join(dataDir, 'secrets'), { recursive: true });
    const port = (await freePorts(1))[0]!;
    this.second = new ServerProcess();
    await this.second.resume({ ...this.#settings, dataDir, ...(!this.#mosquitto && { mqtt: { port } }) });
    return { mqttUrl: `mqtts://localhost:${port}` };
  }

  async #startMosquitto(): Promise<NonNullable<Settings['mqtt']>> {
    const { mosquitto, mqtt } = await mosquittoFor(this.dataDir, deviceNames('sim', this.#options.devices));
    this.#mosquitto = mosquitto;
    if (this.#options.between !== 'broker') return mqtt;
    this.inner = await Relay.before(mqtt.url);
    return { ...mqtt, url: this.inner.url };
  }

  /** The devices' process, in one life after another: each numbers its records anew. */
  async #bear(): Promise<void> {
    const backoff = { baseMs: 50, capMs: 500 };
    const { fleet, oneKey = false } = this.#options;
    const files = { outboxes: this.outboxes, ledger: this.#ledger, oneKey };
    const life = this.#life++;
    await this.fleet.make(this.identity, { files, life, seed: life, backoff, silenceMs: 4000, records: false, ...fleet });
    await this.fleet.join(Infinity, patienceMs);
  }

  /** SIGKILL: nothing is said, nothing is written. */
  async kill(part: Part): Promise<void> {
    if (part === 'agents') await this.fleet.end();
    else if (part === 'control plane') await this.server.end();
    else process.kill(this.pidOf(part), 'SIGKILL');
  }

  /** What nobody else starts again is started, as systemd would. */
  async mend(part: Part): Promise<void> {
    if (part === 'agents') {
      this.fleet = new FleetProcesses(this.#options.processes);
      await this.#bear();
    } else if (part === 'control plane') await this.resume();
    else if (part === 'broker' && this.#mosquitto) {
      const { adminPort } = this.#mosquitto;
      this.#mosquitto.respawned = await spawnMosquitto(join(this.dataDir, 'mosquitto.conf'), adminPort);
    }
  }

  async resume(settings: Settings = this.#settings): Promise<void> {
    this.server = new ServerProcess();
    await this.server.resume(settings);
  }

  pidOf(part: 'broker' | 'PostgreSQL'): number {
    if (part === 'broker' && this.#mosquitto) return (this.#mosquitto.respawned ?? this.#mosquitto.process).pid!;
    const found = processesBelow(this.server.pid).find(({ command }) => kinds[part].test(command));
    if (!found) throw new Error(`found no ${part} below ${this.server.pid}`);
    return found.pid;
  }

  async load(ms: number): Promise<void> {
    await this.fleet.recordEvery(windowS);
    await delay(ms);
  }

  /** Nothing more is measured; everything goes to the database; then the two are compared. */
  async settle(damaged?: (device: string) => boolean): Promise<Verdict> {
    await this.fleet.welcomed(patienceMs);
    await this.fleet.drain(patienceMs);
    return this.compare(damaged);
  }

  async compare(damaged?: (device: string) => boolean): Promise<Verdict> {
    const ledger = readLedger(this.#ledger, damaged);
    const kept = Object.values(ledger).reduce((sum, own) => sum + own.windows.length + own.vitals.length, 0);
    return { ...total(await check(ledger, this.query)), kept };
  }

  /** Asked again while the database comes up. */
  readonly query = async (sql: string, values?: unknown[]): Promise<unknown> => {
    const until = performance.now() + patienceMs;
    for (;;) {
      try {
        return await this.server.query(sql, values);
      } catch (error) {
        if (performance.now() > until) throw error;
        await delay(200);
      }
    }
  };

  async number(sql: string, values?: unknown[]): Promise<number> {
    const [row] = (await this.query(sql, values)) as Record<string, unknown>[];
    return Number(Object.values(row ?? { none: 0 })[0]);
  }

  outboxOf = (device: number): string => join(this.outboxes, `${this.identity.devices[device]!.device}.db`);

  /** Devices that told of this. */
  async alarmed(name: string): Promise<Set<string>> {
    const rows = await this.query(`SELECT DISTINCT device FROM event WHERE kind = 'alarm' AND data->>'name' = $1`, [name]);
    return new Set((rows as { device: string }[]).map(({ device }) => device));
  }

  /** Records that the control plane knows to be lost. */
  reportedLost = (): Promise<number> => this.number('SELECT coalesce(sum(lost), 0) FROM device_stream');

  async end(): Promise<void> {
    await this.fleet.end();
    await this.server.stop().catch(() => this.server.end());
    await this.second?.stop().catch(() => this.second?.end());
    await this.inner?.close();
    await this.#database?.stop();
    await this.relay?.close();
    if (this.#mosquitto) await stopProcess(this.#mosquitto.respawned ?? this.#mosquitto.process);
    for (const folder of this.#ownFolders) if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
  }

  #ownFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-faults-'));
    this.#ownFolders.push(folder);
    return folder;
  }
}
