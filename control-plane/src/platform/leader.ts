import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { AppError } from './errors.js';
import type { Logger } from './logger.js';

const leaseName = 'control-plane';
const renewEveryMs = 1000;
const leaseMs = 4000;

/** Takes a free or expired lease, or renews one's own; a new holder raises the term. All times are the database's. */
const acquire = `
  INSERT INTO leader_lease AS held (name, holder, term, expires_at)
  VALUES ($1, $2, 1, now() + $3 * interval '1 ms')
  ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder,
        expires_at = excluded.expires_at,
        term = held.term + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END
    WHERE held.holder = excluded.holder OR held.expires_at < now()
  RETURNING term`;

/**
 * Shared lock on the lease as one holds it. The transaction may not idle for longer than a lease: a process that is stopped
 * right here would else keep the lock, and everybody from leading, for as long as it is stopped.
 */
const hold = `
  SELECT set_config('idle_in_transaction_session_timeout', $4, true)
  FROM leader_lease WHERE name = $1 AND holder = $2 AND term = $3 FOR SHARE`;

type Start = (term: number) => void | Promise<void>;

/**
 * One process at a time leads. A stopped leader loses the lease by the clock of the database, and finds out before it
 * writes: each of its transactions calls `check`.
 */
export class Leader implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #holder = `${hostname()}-${process.pid}-${randomUUID()}`;
  readonly #starts: Start[] = [];
  #term = 0;
  /** On this process's monotonic clock, counted from before the renewal was sent. */
  #leadsUntil = 0;
  #leading = false;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #stopped = true;

  constructor(
    private readonly db: DataSource,
    private readonly log: Logger,
  ) {}

  isLeader(): boolean {
    return performance.now() < this.#leadsUntil;
  }

  /** The last term that this process led; 0 before the first. */
  term(): number {
    return this.#term;
  }

  /** `start` is called at the beginning of each of this process's leaderships. */
  whenLeading(start: Start): void {
    this.#starts.push(start);
    if (this.isLeader()) this.#run(start);
  }

  /** Holds the lease's row for the rest of the transaction, or throws NOT_LEADER: nobody takes over before it ends. */
  async check(tx: EntityManager): Promise<void> {
    const rows: unknown[] = await tx.query(hold, [leaseName, this.#holder, this.#term, String(leaseMs)]);
    if (rows.length > 0) return;
    this.#leadsUntil = 0;
    throw new AppError('NOT_LEADER', `this control plane does not lead any more (its term was ${this.#term})`);
  }

  /** Resolves after the first attempt. */
  async start(): Promise<void> {
    if (!this.#stopped) return;
    this.#stopped = false;
    await this.#next();
  }

  /** Gives the lease back, so that another process need not wait for it to expire. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
    const led = this.isLeader();
    this.#leadsUntil = 0;
    this.#leading = false;
    if (led) await this.#release();
  }

  onApplicationBootstrap(): Promise<void> {
    return this.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.stop();
  }

  async #next(): Promise<void> {
    this.#round = this.#renew();
    await this.#round;
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#next(), renewEveryMs);
  }

  async #renew(): Promise<void> {
    const sentAt = performance.now();
    try {
      const [held] = await this.db.query<{ term: number }[]>(acquire, [leaseName, this.#holder, leaseMs]);
      if (held) this.#lead(held.term, sentAt + leaseMs);
      else this.#follow('another control plane leads');
    } catch (error) {
      this.log.warn({ err: error }, 'the leader lease could not be renewed');
      if (!this.isLeader()) this.#follow('the lease ran out');
    }
  }

  #lead(term: number, until: number): void {
    const begins = !this.#leading || term !== this.#term;
    this.#term = term;
    this.#leadsUntil = until;
    this.#leading = true;
    if (!begins) return;
    this.log.info({ term }, 'leading');
    for (const start of this.#starts) this.#run(start);
  }

  #follow(reason: string): void {
    this.#leadsUntil = 0;
    if (this.#leading) this.log.warn({ term: this.#term }, `not leading any more: ${reason}`);
    this.#leading = false;
  }

  #run(start: Start): void {
    void (async () => start(this.#term))().catch((error: unknown) => this.log.error({ err: error }, 'work of the leader failed'));
  }

  async #release(): Promise<void> {
    await this.db
      .query(`UPDATE leader_lease SET expires_at = now() WHERE name = $1 AND holder = $2 AND term = $3`, [
        leaseName,
        this.#holder,
        this.#term,
      ])
      .catch((error: unknown) => this.log.warn({ err: error }, 'the leader lease could not be given back; it expires by itself'));
  }
}
