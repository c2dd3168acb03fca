import type { DeviceId } from '@flotilla/protocol';
import type { DataSource, EntityManager } from 'typeorm';
import type { Counters } from '../platform/counters.js';
import type { Logger } from '../platform/logger.js';
import type { OutboxEffects } from './outbox-effects.js';
import type { OutboxEffect } from './outbox.entity.js';

type Row = { id: number; effect: OutboxEffect };
type Parts = { db: DataSource; effects: Pick<OutboxEffects, 'perform'>; counters: Counters; log: Logger };

const atOnce = 256;
/** While the broker confirms what one of them sent, the other makes the next. Devices refuse epochs that overtake one another. */
const lanes = 2;
const pollMs = 250;
const retryMs = 1000;

/**
 * Takes rows of the outbox that no other replica has (SKIP LOCKED), does their effects, and only then deletes them: a crash
 * in between repeats, never loses. An effect that fails waits a moment, so that it does not hold up the others.
 */
export class OutboxDispatcher {
  readonly #parts: Parts;
  readonly #failedUntil = new Map<DeviceId, number>();
  #stopped = false;
  #wake = Promise.withResolvers<void>();
  #running: Promise<unknown> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= Promise.all(Array.from({ length: lanes }, () => this.#run()));
  }

  /** There may be something to do: no need to wait for the next look. */
  wake = (): void => {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  };

  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // Taken before the look: what comes during it is not missed.
      const woken = this.#wake.promise;
      const more = await this.#dispatchLogged();
      if (!more && !this.#stopped) await sooner(woken, pollMs);
    }
  }

  async #dispatchLogged(): Promise<boolean> {
    try {
      return (await this.dispatch()) === atOnce;
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'the outbox could not be read; it is tried again');
      return false;
    }
  }

  /** How many rows it took; they are gone, but for those whose effect failed. */
  dispatch(): Promise<number> {
    return this.#parts.db.transaction(async (tx) => {
      const rows = await this.#take(tx);
      const done = await this.#perform(effectsOf(rows));
      if (done.length > 0) await tx.query('DELETE FROM outbox WHERE id = ANY($1::int[])', [done]);
      return rows.length;
    });
  }

  #take(tx: EntityManager): Promise<Row[]> {
    const now = performance.now();
    for (const [device, until] of this.#failedUntil) if (until <= now) this.#failedUntil.delete(device);
    return tx.query<Row[]>(
      `SELECT id, effect FROM outbox WHERE NOT effect->>'device' = ANY($1::text[]) ORDER BY priority, id LIMIT ${atOnce} FOR UPDATE SKIP LOCKED`,
      [[...this.#failedUntil.keys()]],
    );
  }

  /** The rows that are done with. */
  async #perform(all: readonly { effect: OutboxEffect; ids: number[] }[]): Promise<number[]> {
    const { effects, counters, log } = this.#parts;
    const failed = await effects.perform(all.map(({ effect }) => effect));
    for (const [effect, error] of failed) {
      counters.count('outbox.failed');
      this.#failedUntil.set(effect.device, performance.now() + retryMs);
      log.debug({ err: error, ...effect }, 'an effect of the outbox failed; it is tried again');
    }
    const done = all.filter(({ effect }) => !failed.has(effect));
    for (const { effect } of done) counters.count(`outbox.${effect.type}`);
    return done.flatMap(({ ids }) => ids);
  }
}

/** Several rows for one device are one effect: what is sent is its state now. */
function effectsOf(rows: readonly Row[]): { effect: OutboxEffect; ids: number[] }[] {
  const byEffect = Map.groupBy(rows, ({ effect }) => `${effect.type} ${effect.device}`);
  return [...byEffect.values()].map((same) => ({ effect: same[0]!.effect, ids: same.map((row) => row.id) }));
}

async function sooner(woken: Promise<void>, withinMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, withinMs);
  await Promise.race([woken, promise]);
  clearTimeout(timer);
}
