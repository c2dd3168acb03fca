import { type ChildProcess, fork } from 'node:child_process';
import { backoffMs } from '../core/backoff.js';
import { type BrokerSettings, FromBroker, type ToBroker } from '../device-broker.js';
import { messageOf } from '../errors.js';
import type { Log } from './runner-process.js';

type BrokerOptions = {
  path: string;
  env?: NodeJS.ProcessEnv | undefined;
  log: Log;
  settings: BrokerSettings;
  onAlarm: (name: string, message: string) => void;
  random?: () => number;
};

const restarts = { baseMs: 200, capMs: 30_000 };
/** One that lived so long was not about to fail. */
const provenMs = 60_000;
const heartbeatMs = 15_000;
const partingMs = 2000;
/** What waits for clients that read slowly, and what is retained, is bounded well below. */
const mostRssBytes = 256 * 2 ** 20;

/** The device's own MQTT broker as a child process, begun again whenever it ends. Nothing else of the agent waits for it. */
export class BrokerProcess {
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #failures = 0;
  #begunAt = 0;
  #reason = '';
  #closed = false;

  constructor(private readonly options: BrokerOptions) {}

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const { path, env, log, settings } = this.options;
    this.#reason = '';
    this.#begunAt = performance.now();
    const child = fork(path, {
      // Its heap is as bounded as its work (V8 reads that limit at its start only); one thread beside the main one is enough for either.
      execArgv: ['--v8-pool-size=1', '--max-old-space-size=96'],
      env: { ...env, MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '2' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.stderr?.on('data', (text: Buffer) => log.warn({ pid: child.pid }, `broker: ${text.toString().slice(0, 2000)}`));
    child.on('message', (message) => this.#hear(message, child));
    child.on('error', (error) => log.warn({ pid: child.pid }, `broker: ${messageOf(error)}`));
    child.once('close', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`));
    this.#watch(child);
    child.send({ type: 'listen', settings } satisfies ToBroker, () => undefined);
  }

  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    clearTimeout(this.#watchdog);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.connected) child.disconnect();
    const late = setTimeout(() => child.kill('SIGKILL'), partingMs);
    await gone;
    clearTimeout(late);
  }

  #hear(raw: unknown, child: ChildProcess): void {
    const { log, settings } = this.options;
    const message = FromBroker.parse(raw);
    if (message.type === 'listening') return log.info({ ...settings.listen }, 'the device’s own MQTT broker listens');
    if (message.type === 'failed') return this.#end(child, message.reason);
    this.#watch(child);
    if (Object.keys(message.refused).length > 0)
      log.warn({ refused: message.refused }, 'the device’s own MQTT broker refused or dropped clients');
    if (message.rssBytes > mostRssBytes) this.#end(child, `it holds ${Math.round(message.rssBytes / 2 ** 20)} MB`);
  }

  #watch(child: ChildProcess): void {
    clearTimeout(this.#watchdog);
    if (this.#closed) return;
    this.#watchdog = setTimeout(() => this.#end(child, `it was not heard from for ${heartbeatMs / 1000} s`), heartbeatMs).unref();
  }

  #end(child: ChildProcess, reason: string): void {
    this.#reason = reason;
    child.kill('SIGKILL');
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child === child) this.#child = undefined;
    clearTimeout(this.#watchdog);
    if (this.#closed) return;
    this.#failures = performance.now() - this.#begunAt > provenMs ? 1 : this.#failures + 1;
    this.options.onAlarm('broker-died', `the device's own MQTT broker ended (${this.#reason || how}); it is begun again`);
    this.#restart = setTimeout(() => this.start(), backoffMs(this.#failures, restarts, (this.options.random ?? Math.random)()));
  }
}
