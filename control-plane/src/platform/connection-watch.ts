import type { Socket } from 'node:net';
import pg from 'pg';
import type { Logger } from './logger.js';

/** What pg's clients have, of which its types tell only a part. */
type Wired = pg.PoolClient & { readonly connection: { stream: Socket }; processID: number | null; readyForQuery: boolean };

interface WatchOptions {
  readonly url: string;
  /** A statement on which nothing came or went for so long is looked into. */
  readonly silenceMs?: number;
  readonly log?: Logger | undefined;
}

const lookWithinMs = 5000;

/** At work: it computes, or waits for a lock or the disk, but not for us. */
const isAtWork = `SELECT FROM pg_stat_activity
  WHERE pid = $1 AND usename = current_user AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'`;
/** Whatever it has locked is free at once. */
const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid = $1 AND usename = current_user AND application_name = $2`;

/**
 * TCP does not tell of a way that is gone without a word: a statement would wait for a quarter of an hour, and so would all that
 * waits for it. The server is asked over another connection whether it is at work on it; a statement may take long.
 */
export class ConnectionWatch {
  readonly #options: WatchOptions;
  readonly #silenceMs: number;
  readonly #watched = new WeakSet<Wired>();
  /** Those that wait in the pool. */
  readonly #idle = new Set<Wired>();

  constructor(pool: pg.Pool, options: WatchOptions) {
    this.#options = options;
    this.#silenceMs = options.silenceMs ?? 20_000;
    pool.on('acquire', (client) => this.#watch(client as Wired));
    pool.on('release', (_, client) => this.#idle.add(client as Wired));
    pool.on('remove', (client) => this.#idle.delete(client as Wired));
  }

  #watch(client: Wired): void {
    this.#idle.delete(client);
    if (this.#watched.has(client)) return;
    this.#watched.add(client);
    const { stream } = client.connection;
    stream.setTimeout(this.#silenceMs);
    stream.on('timeout', () => void this.#look(client));
  }

  async #look(client: Wired): Promise<void> {
    const { stream } = client.connection;
    // Between two statements it is ours to go on.
    if (client.readyForQuery || (await this.#isAtWork(client))) return void stream.setTimeout(this.#silenceMs);
    if (stream.destroyed) return;
    const reason = `nothing came from the database for ${this.#silenceMs / 1000} s`;
    this.#options.log?.warn({ backend: client.processID }, `${reason}: the connection is given up`);
    stream.destroy(new Error(`${reason}: the connection was given up`));
    this.#giveUpIdle();
  }

  /** They went the same way: whoever took one next would wait as long again. */
  #giveUpIdle(): void {
    for (const { connection } of this.#idle) connection.stream.destroy(new Error('another connection to the database was gone'));
    this.#idle.clear();
  }

  /** False as well where the server can't be reached. */
  async #isAtWork(watched: Wired): Promise<boolean> {
    const connectionString = this.#options.url;
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: lookWithinMs, query_timeout: lookWithinMs });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query(isAtWork, [watched.processID]);
      // An answer may have come while we asked.
      if (rowCount || watched.readyForQuery) return true;
      await client.query(terminate, [watched.processID, applicationName]);
      return false;
    } catch (error) {
      // It answers, and has no room for another connection, say: nothing is known.
      return error instanceof pg.DatabaseError;
    } finally {
      void client.end().catch(() => undefined);
    }
  }
}

/** By which the server's operator, and a watch, know whose connections they are. */
export const applicationName = 'flotilla';
