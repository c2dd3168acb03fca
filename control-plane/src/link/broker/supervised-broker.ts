import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromChild, ToChild } from './child-protocol.js';
import type { BrokerLimits, ServerTls } from './embedded-broker.js';

export interface ChildBrokerOptions {
  host: string;
  port: number;
  limits: BrokerLimits;
  tls: () => ServerTls;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  count(name: string, by: number): void;
}

const stopWithinMs = 3000;
const firstRestartMs = 100;
const lastRestartMs = 5000;
// One that lived this long died of something new.
const healthyAfterMs = 30_000;

/** The embedded broker's process, started again whenever it dies. */
export class SupervisedBroker {
  #child: ChildProcess | undefined;
  #port: number;
  #restartMs = firstRestartMs;
  #stopping = false;
  readonly #restarted = new Set<() => void>();

  /** Rejects when the broker can't come up the first time; later failures are retried. */
  static async start(options: ChildBrokerOptions): Promise<SupervisedBroker> {
    const broker = new SupervisedBroker(options);
    await broker.#launch();
    return broker;
  }

  private constructor(private readonly options: ChildBrokerOptions) {
    this.#port = options.port;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  onRestart(listener: () => void): void {
    this.#restarted.add(listener);
  }

  send(message: ToChild): void {
    if (this.#child?.connected) this.#child.send(message);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    this.send({ type: 'stop' });
    const kill = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
    await gone;
    clearTimeout(kill);
  }

  async #launch(): Promise<void> {
    const child = fork(childPath(), { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
    const startedAt = performance.now();
    this.#child = child;
    let complaint = '';
    child.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(-2000)));
    try {
      await this.#listening(child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    child.once('exit', (code, signal) => {
      if (this.#stopping) return;
      if (performance.now() - startedAt > healthyAfterMs) this.#restartMs = firstRestartMs;
      this.options.log.warn({ code, signal, complaint }, 'the embedded broker died; starting it again');
      this.#relaunchLater();
    });
  }

  #relaunchLater(): void {
    setTimeout(() => void this.#relaunch(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, lastRestartMs);
  }

  async #relaunch(): Promise<void> {
    if (this.#stopping) return;
    try {
      await this.#launch();
      this.options.count('broker-restarts', 1);
      for (const listener of this.#restarted) listener();
    } catch (error) {
      this.options.log.warn({ err: error }, 'the embedded broker did not come up; trying again');
      this.#relaunchLater();
    }
  }

  #listening(child: ChildProcess): Promise<void> {
    const { host, limits, tls } = this.options;
    return new Promise((resolve, reject) => {
      child.once('exit', (code, signal) =>
        reject(new Error(`the embedded broker ended at start (${signal ?? `exit code ${code}`})`)),
      );
      child.once('error', reject);
      child.on('message', (message: FromChild) => {
        if (message.type === 'counts') return this.#count(message.counts);
        if (message.type === 'failed') return reject(asSentence(message, host, this.#port));
        this.#port = message.port;
        resolve();
      });
      child.send({ type: 'listen', host, port: this.#port, tls: tls(), limits } satisfies ToChild);
    });
  }

  #count(counts: Record<string, number>): void {
    this.options.log.warn({ counts }, 'the embedded broker refused or dropped clients');
    for (const [reason, by] of Object.entries(counts)) this.options.count(`broker-refused-${reason}`, by);
  }
}

function asSentence({ code, message }: Extract<FromChild, { type: 'failed' }>, host: string, port: number): Error {
  if (code !== 'EADDRINUSE') return new Error(`the embedded broker can't listen on ${host}:${port}: ${message}`);
  return new Error(`port ${port} on ${host} is in use: stop what listens there, or set FLOTILLA_MQTT_PORT to a free one`);
}

/** Run from sources (tests), the child is still the built one: node runs programs from `dist`. */
function childPath(): string {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/src/link/broker/child.js' : './child.js';
  return fileURLToPath(new URL(built, import.meta.url));
}
