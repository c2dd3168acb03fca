import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { SlotName } from '@flotilla/protocol/device';
import { backoffMs } from '../core/backoff.js';
import { isErrno, messageOf } from '../errors.js';
import { FromGateway, type GatewaySlot, type SlotStatus, type ToGateway } from '../gateway-protocol.js';
import type { CredentialFiles } from './credential-files.js';
import type { ListeningSocket } from './listening-socket.js';
import type { Log } from './runner-process.js';

type GatewayOptions = {
  path: string;
  env?: NodeJS.ProcessEnv | undefined;
  log: Log;
  dataDir: string;
  device: string;
  /** Where the gateway's own interface listens; bound here, so that a gateway that restarts refuses nobody. */
  http?: ListeningSocket | undefined;
  /** Where others than this device reach it. */
  credentials?: Pick<CredentialFiles, 'current' | 'refresh'> | undefined;
  /** Of resident memory, before it is ended and begun anew. */
  maxRssBytes: number;
  onSource?: (slot: SlotName, state: string, reason: string | undefined) => void;
  onAlarm: (name: string, message: string) => void;
  random?: () => number;
};

const httpInChild = 4;
const restarts = { baseMs: 500, capMs: 30_000 };
/** One that lived so long was not about to fail. */
const provenMs = 60_000;
const heartbeatMs = 15_000;
const partingMs = 3000;
const lookAtCredentialsMs = 60_000;

/** The gateway as a child process: begun when there is something for it to do, and again whenever it ends. Inference goes on without it. */
export class GatewayProcess {
  #child: ChildProcess | undefined;
  #slots: readonly GatewaySlot[] = [];
  readonly #statuses = new Map<SlotName, SlotStatus>();
  #restart: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #failures = 0;
  #begunAt = 0;
  #closed = false;
  #endedFor = '';

  readonly #credentials: NodeJS.Timeout | undefined;

  constructor(private readonly options: GatewayOptions) {
    if (options.credentials) this.#credentials = setInterval(() => this.refreshCredentials(), lookAtCredentialsMs).unref();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What it shall do from now on, also after a restart. */
  configure(slots: readonly GatewaySlot[]): void {
    this.#slots = slots;
    if (this.#closed) return;
    if (this.#child) this.#sendConfiguration();
    else if (this.#isNeeded && !this.#restart) this.#begin();
  }

  /** What a slot serves from now on. */
  tell(status: SlotStatus): void {
    this.#statuses.set(status.slot, status);
    this.#send({ type: 'status', status });
  }

  /** Certificates are renewed while it serves. */
  refreshCredentials(): void {
    if (this.options.credentials?.refresh()) this.#sendConfiguration();
  }

  async stop(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#credentials);
    clearTimeout(this.#restart);
    clearTimeout(this.#watchdog);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    // The channel's end is its order to let go of everything and leave.
    child.disconnect();
    const late = setTimeout(() => child.kill('SIGKILL'), partingMs);
    await gone;
    clearTimeout(late);
  }

  get #isNeeded(): boolean {
    return this.options.http !== undefined || this.#slots.some(({ source, trigger, outputs }) => source ?? trigger ?? outputs);
  }

  #begin(): void {
    const { path, env, http, log } = this.options;
    this.#restart = undefined;
    this.#endedFor = '';
    this.#begunAt = performance.now();
    const child = fork(path, {
      detached: true,
      // Collecting garbage on four threads costs more than on one, and boards have few cores.
      // By the bound of the heap V8 judges, too, how far it may grow before it is collected.
      execArgv: ['--v8-pool-size=1', '--max-old-space-size=384'],
      env: { ...env, MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '2' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', http?.fd ?? 'ignore'],
    });
    this.#child = child;
    child.on('message', (message) => this.#hear(message));
    child.on('error', (error) => log.warn({ pid: child.pid }, `gateway: ${messageOf(error)}`));
    child.once('exit', () => killGroup(child));
    child.once('close', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`));
    for (const stream of [child.stdout, child.stderr])
      if (stream)
        createInterface({ input: stream }).on('line', (line) => log.info({ pid: child.pid }, `gateway: ${line.slice(0, 2000)}`));
    this.#watch(child);
    this.#sendConfiguration();
  }

  #sendConfiguration(): void {
    const { dataDir, device, http, credentials } = this.options;
    for (const status of this.#statuses.values()) this.#send({ type: 'status', status });
    this.#send({
      type: 'configure',
      slots: [...this.#slots],
      dataDir,
      device,
      ...(http ? { http: httpInChild } : {}),
      ...(credentials ? { credentials: credentials.current } : {}),
    });
  }

  #send(order: ToGateway): void {
    if (this.#child?.connected) this.#child.send(order, () => undefined);
  }

  #hear(raw: unknown): void {
    const parsed = FromGateway.safeParse(raw);
    const { log, onSource, maxRssBytes } = this.options;
    if (!parsed.success) return log.warn({}, `gateway said something unknown: ${parsed.error.issues[0]?.message}`);
    const message = parsed.data;
    if (message.type === 'source') onSource?.(message.slot, message.state, message.reason);
    if (message.type !== 'heartbeat' || !this.#child) return;
    this.#watch(this.#child);
    if (message.rssBytes > maxRssBytes) this.#end(this.#child, `it holds ${Math.round(message.rssBytes / 2 ** 20)} MB`);
  }

  #watch(child: ChildProcess): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#end(child, `it was not heard from for ${heartbeatMs / 1000} s`), heartbeatMs).unref();
  }

  #end(child: ChildProcess, reason: string): void {
    this.#endedFor = reason;
    killGroup(child);
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child === child) this.#child = undefined;
    clearTimeout(this.#watchdog);
    if (this.#closed) return;
    this.#failures = performance.now() - this.#begunAt > provenMs ? 1 : this.#failures + 1;
    const reason = this.#endedFor || how;
    this.options.onAlarm('gateway-died', `the gateway ended (${reason}); sources begin anew, inference goes on`);
    const waitMs = backoffMs(this.#failures, restarts, (this.options.random ?? Math.random)());
    this.#restart = setTimeout(() => this.#begin(), waitMs);
  }
}

/** What it started (ffmpeg) goes with it. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}
