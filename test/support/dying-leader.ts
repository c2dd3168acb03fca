import type { DataSource } from 'typeorm';

/** Where a leader dies: before its commit reaches the database, or before it hears that it has. */
export type Death = 'before its commit' | 'after its commit';

/** Does the work; it dies at the first commit. What the database then has is what it would have, had the process gone. */
export async function dying<T>(db: DataSource, death: Death, work: () => Promise<T>): Promise<T> {
  const create = db.createQueryRunner.bind(db);
  db.createQueryRunner = (...mode) => {
    const runner = create(...mode);
    const commit = runner.commitTransaction.bind(runner);
    runner.commitTransaction = async () => {
      if (death === 'after its commit') await commit();
      throw new Error(`the leader died ${death}`);
    };
    return runner;
  };
  try {
    return await work();
  } finally {
    db.createQueryRunner = create;
  }
}
