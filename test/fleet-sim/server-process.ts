import { Child } from '../bench/child.js';
import type { Answer, Settings } from '../support/control-plane.js';
import type { FleetIdentity } from './identities.js';
import type { Readiness, ServerQuestion, ServerUse } from './server-main.js';
import type { BrokerKind, CrowdLogin } from './simulation-server.js';

/** A control plane in a process of its own, so that what it takes is told apart from what the devices take. */
export class ServerProcess {
  readonly #child = new Child(new URL('server-main.js', import.meta.url));
  #started = false;

  get pid(): number {
    return this.#child.pid;
  }

  /** With so many devices enrolled. */
  async start(broker: BrokerKind, devices: number, settings: Settings = {}, prefix = 'sim'): Promise<FleetIdentity> {
    this.#started = true;
    return this.#ask<FleetIdentity>({ start: { broker, settings, prefix, devices } });
  }

  /** On the data that another one has left, with a broker of its own or the one in the settings; no devices are added. */
  async resume(settings: Settings): Promise<void> {
    this.#started = true;
    await this.#ask({ resume: settings });
  }

  clock = (aheadMs: number): Promise<void> => this.#ask({ clock: aheadMs });
  /** A pushed release's digest. */
  release = (version: string): Promise<string> => this.#ask({ release: version });
  api = (method: string, path: string, body?: unknown): Promise<Answer> => this.#ask({ api: { method, path, body } });
  query = (sql: string, values?: unknown[]): Promise<unknown> => this.#ask({ sql, ...(values && { values }) });
  use = (): Promise<ServerUse> => this.#ask({ look: 'use' });
  readiness = (): Promise<Readiness> => this.#ask({ look: 'readiness' });
  tick = (rollout: string, times: number): Promise<number[]> => this.#ask({ tick: rollout, times });
  /** Who may speak for every device at Mosquitto. */
  crowd = (): Promise<CrowdLogin> => this.#ask({ crowd: true });
  databaseUrl = (): Promise<string> => this.#ask({ look: 'database' });

  /** All devices of the fleet are to run this release in this slot. */
  async assign(release: string, slot: string, target = '*'): Promise<void> {
    const { status, body } = await this.api('POST', 'assignments', { release, slot, target });
    if (status >= 300) throw new Error(`the assignment was refused: ${JSON.stringify(body)}`);
  }

  async stop(): Promise<void> {
    if (this.#started) await this.#ask({ stop: true });
    await this.#child.end();
  }

  /** At once, and without a word to what runs below it. */
  end = (): Promise<void> => this.#child.end();

  #ask<T>(question: ServerQuestion): Promise<T> {
    return this.#child.ask<T>(question);
  }
}
