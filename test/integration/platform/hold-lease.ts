import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { Leader } from '@flotilla/control-plane/platform/leader';
import { createLogger } from '@flotilla/control-plane/platform/logger';

/** A leader that writes all the time, for a test that stops it: says with which term it may, or that it may not. */
const db = await openDatabase(process.argv[2]!);
const leader = new Leader(db, createLogger('silent'));
await leader.start();
for (;;) {
  const verdict = await db
    .transaction(async (tx) => {
      await leader.check(tx);
      console.log(`checked ${leader.term()}`);
      // Time to be stopped right here, holding the lease's row.
      await delay(500);
    })
    .then(
      () => 'written',
      (error: { code?: string }) => `refused ${error.code}`,
    );
  console.log(verdict);
}
