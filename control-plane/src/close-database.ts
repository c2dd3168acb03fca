import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';

const goneWithinMs = 1000;

/** `destroy` resolves before the connections have gone; a server that stops meanwhile would break them instead. */
export async function closeDatabase(db: DataSource): Promise<void> {
  const pool = (db.driver as unknown as { master: Pool }).master;
  const gone = Promise.withResolvers<void>();
  let left = pool.totalCount;
  if (left === 0) gone.resolve();
  pool.on('remove', () => --left === 0 && gone.resolve());
  await db.destroy();
  await Promise.race([gone.promise, delay(goneWithinMs, undefined, { ref: false })]);
}
