import { randomBytes } from 'node:crypto';
import { realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../logger.js';
import { readSecret, writeSecret } from '../secrets.js';
import { clusterExists, makeCluster } from './cluster.js';
import { findInstallation, reachableInstallation, type Installation } from './installation.js';
import { stopOrphan } from './orphan.js';
import { findCluster, placeCluster } from './place.js';
import { PostgresError } from './postgres-error.js';
import { Postmaster } from './postmaster.js';
import { untilReady, urlOf } from './readiness.js';
import { chooseUser, type ServerUser } from './server-user.js';
import { makeSocketFolder } from './socket-folder.js';

const passwordSecret = 'postgres-password';
/** For what has to lie outside the data folder or the checkout. */
export const defaultSystemDir = '/var/lib/flotilla';

export interface EmbeddedPostgresOptions {
  dataDir: string;
  log: Logger;
  /** `$XDG_RUNTIME_DIR`; the temp folder where that is absent, too long, or closed to the server's user. */
  runtimeDir?: string | undefined;
  systemDir?: string;
  installation?: Installation;
}

interface Parts {
  postgres: string;
  clusterDir: string;
  socketDir: string;
  user: ServerUser | null;
  password: string;
  log: Logger;
}

/** PostgreSQL in the data folder; resolves when it answers. The caller holds the data folder's lock. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log.child({ part: 'postgres' });
  const systemDir = options.systemDir ?? defaultSystemDir;
  const dataDir = await realpath(options.dataDir);
  const found = await findCluster(dataDir);
  const user = await chooseUser(found ?? '');
  const clusterDir = found ?? (await placeCluster(dataDir, user, systemDir, log));
  const { dir } = await reachableInstallation(options.installation ?? (await findInstallation()), user, systemDir);
  await stopOrphan(clusterDir, log);
  const socketDir = await makeSocketFolder(options.runtimeDir, user);
  try {
    const password = await passwordOf(dataDir);
    if (!(await clusterExists(clusterDir))) {
      await makeCluster({ dir: clusterDir, initdb: join(dir, 'bin', 'initdb'), user, password, socketDir });
    }
    const server = new EmbeddedPostgres({ postgres: join(dir, 'bin', 'postgres'), clusterDir, socketDir, user, password, log });
    await server.start();
    return server;
  } catch (error) {
    await rm(socketDir, { recursive: true, force: true });
    throw error;
  }
}

async function passwordOf(dataDir: string): Promise<string> {
  const kept = await readSecret(dataDir, passwordSecret);
  if (kept) return kept.toString();
  const password = randomBytes(24).toString('hex');
  await writeSecret(dataDir, passwordSecret, password);
  return password;
}

/** A server that died is started again, at the same address: pools connect anew and go on. */
export class EmbeddedPostgres {
  readonly kind = 'embedded';
  readonly url: string;
  readonly #listeners: ((reason: string) => void)[] = [];
  readonly #stopped = new AbortController();
  #current: Postmaster | undefined;
  #restarting: Promise<void> | undefined;

  constructor(private readonly parts: Parts) {
    this.url = urlOf(parts);
  }

  /** Where its files are: not always in the data folder. */
  get clusterDir(): string {
    return this.parts.clusterDir;
  }

  get pid(): number | undefined {
    return this.#current?.pid;
  }

  /** Called each time that the server ended by itself; it is being started again. */
  onExit(listener: (reason: string) => void): void {
    this.#listeners.push(listener);
  }

  /** The first start waits for backends of a killed server to end, and otherwise fails with what the server said. */
  async start(): Promise<void> {
    const deadline = performance.now() + 15_000;
    for (;;) {
      try {
        return await this.#launch();
      } catch (error) {
        if (!/still in use|lock file .* already exists/.test(String(error)) || performance.now() > deadline) throw error;
        await delay(200);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#restarting;
    await this.#current?.stop();
    await rm(this.parts.socketDir, { recursive: true, force: true });
  }

  async #launch(): Promise<void> {
    const server = new Postmaster(this.parts);
    this.#current = server;
    const ended = new AbortController();
    const died = server.exited.then(() => {
      ended.abort();
      throw new PostgresError(
        `the embedded database in ${this.parts.clusterDir} did not start: ${server.lastWords || 'it said nothing'}`,
      );
    });
    try {
      await Promise.race([untilReady(this.parts, ended.signal), died]);
    } catch (error) {
      await server.stop();
      throw error;
    }
    died.catch(() => this.#onDeath(server));
  }

  #onDeath(server: Postmaster): void {
    if (this.#stopped.signal.aborted) return;
    const reason = server.lastWords || 'the database server ended';
    this.parts.log.error({ pid: server.pid }, `${reason}; starting it again`);
    for (const listener of this.#listeners) listener(reason);
    this.#restarting = this.#restart();
  }

  async #restart(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      await delay(Math.min(100 * 2 ** attempt, 5000), undefined, { signal: this.#stopped.signal }).catch(() => undefined);
      if (this.#stopped.signal.aborted) return;
      try {
        await stopOrphan(this.parts.clusterDir, this.parts.log);
        await this.#launch();
        this.parts.log.info('the database server is back');
        return;
      } catch (error) {
        this.parts.log.error({ err: error }, 'the database server could not be started again');
      }
    }
  }
}
