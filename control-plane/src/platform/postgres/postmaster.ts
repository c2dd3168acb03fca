import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../logger.js';
import { surroundings, type ServerUser } from './server-user.js';
import { port } from './socket-folder.js';

/**
 * The shell becomes PostgreSQL (same pid) and leaves a watcher behind, no child of the server's, that reads from our pipe.
 * A line means that all is well; end of file that this program is gone, however it went: then it stops the server, fast,
 * after 1.5 s at once, and removes the socket's folder. (The socket goes last; a pid may linger until somebody reaps it.)
 */
const guard = `
socket_dir=$1; shift
( ( read -r line <&3 && exit
    kill -INT $$; tries=0
    while [ -S "$socket_dir/.s.PGSQL.${port}" ] && [ $tries -lt 15 ]; do sleep 0.1; tries=$((tries + 1)); done
    kill -QUIT $$; sleep 0.2
    rm -rf "$socket_dir"
  ) </dev/null >/dev/null 2>&1 & )
exec 3<&-
exec "$@"`;

/** Modest: a fleet's database on a small machine; durable (fsync stays on); reached through its socket only. */
const settings = {
  listen_addresses: '',
  port: String(port),
  unix_socket_permissions: '0700',
  shared_buffers: '32MB',
  max_connections: '40',
  max_wal_size: '512MB',
  maintenance_work_mem: '32MB',
  max_worker_processes: '2',
  max_parallel_workers_per_gather: '0',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  max_replication_slots: '2',
  // No helper processes for reading: at this size they cost more memory than they save time.
  io_method: 'sync',
  huge_pages: 'off',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_line_prefix: '',
};

/** Each signal and how long it is given: a fast shutdown writes a checkpoint first. */
const stopping = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5000],
  ['SIGKILL', 5000],
] as const;

interface Server {
  postgres: string;
  clusterDir: string;
  socketDir: string;
  user: ServerUser | null;
  log: Logger;
}

/** One run of the server process. */
export class Postmaster {
  readonly #process: ChildProcess;
  readonly exited: Promise<void>;
  #running = true;
  /** The last thing it said before it gave up. */
  lastWords = '';

  constructor({ postgres, clusterDir, socketDir, user, log }: Server) {
    const flags = Object.entries({ ...settings, unix_socket_directories: socketDir }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    this.#process = spawn('/bin/sh', ['-c', guard, 'sh', socketDir, postgres, '-D', clusterDir, ...flags], {
      ...surroundings(user),
      // Away from the terminal's Ctrl-C: what runs here stops before its database does.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.exited = this.#watch(log);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Fast shutdown: open transactions are rolled back, what was committed is on disk. */
  async stop(): Promise<void> {
    for (const [signal, patienceMs] of stopping) {
      if (!this.#running) return;
      this.#process.kill(signal);
      if (await this.#exitsWithin(patienceMs)) return;
    }
  }

  async #exitsWithin(ms: number): Promise<boolean> {
    const patience = new AbortController();
    try {
      return await Promise.race([this.exited.then(() => true), delay(ms, false, { signal: patience.signal })]);
    } finally {
      patience.abort();
    }
  }

  async #watch(log: Logger): Promise<void> {
    createInterface({ input: this.#process.stderr! }).on('line', (line) => this.#hear(line, log));
    const lifeline = this.#process.stdio[3] as Writable;
    // The watcher may have ended before us.
    lifeline.on('error', (error) => log.debug({ err: error }, 'lifeline of the database server'));
    try {
      await once(this.#process, 'exit');
    } finally {
      this.#running = false;
      lifeline.end('\n');
    }
  }

  #hear(line: string, log: Logger): void {
    log.debug(line);
    if (/^(FATAL|PANIC|postgres):/.test(line) && !line.includes('database system is'))
      this.lastWords = line.replace(/^\w+:\s*/, '');
  }
}
