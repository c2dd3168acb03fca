import { openDatabase, schemaDrift } from '@flotilla/control-plane/platform/database';
import { expect, it } from 'vitest';
import { aDatabase, anEmptyDatabase } from '../../support/postgres.js';

it('the migrations make the tables that the entities say', async () => {
  const { db, close } = await aDatabase();
  expect(await schemaDrift(db)).toEqual([]);
  await close();
});

it('a table that has drifted is noticed', async () => {
  const { db, close } = await aDatabase();
  await db.query('ALTER TABLE device DROP COLUMN agent');
  expect(await schemaDrift(db)).toEqual([expect.stringContaining('ADD "agent"')]);
  await close();
});

it('every migration can be taken back', async () => {
  const { db, close } = await aDatabase();
  for (const _ of db.migrations) await db.undoLastMigration();
  const left = await db.query<{ name: string }[]>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`);
  expect(left.map(({ name }) => name).toSorted()).toEqual(
    ['migration', 'typeorm_metadata'].filter((name) => left.some((t) => t.name === name)),
  );
  await close();
});

it('several processes that start together migrate once', async () => {
  const { url, close } = await anEmptyDatabase();
  const all = await Promise.all([1, 2, 3, 4].map(() => openDatabase(url)));
  const [row] = await all[0]!.query<{ n: number }[]>('SELECT count(*)::int AS n FROM migration');
  expect(row!.n).toBe(all[0]!.migrations.length);
  for (const db of all) await db.destroy();
  await close();
});

it('a database of a newer version is refused with a sentence', async () => {
  const { db, url, close } = await aDatabase();
  await db.query(`INSERT INTO migration (timestamp, name) VALUES (9999999999999, 'Sites9999999999999')`);
  await expect(openDatabase(url)).rejects.toThrow(
    'the database was migrated by a newer Flotilla (it has Sites9999999999999, which this version does not know)',
  );
  await close();
});

it('a database that is not there is named, without the password', async () => {
  const failure = await openDatabase('postgresql://user:hush@127.0.0.1:1/fleet').catch((error: Error) => error);
  expect(failure).toMatchObject({
    name: 'DatabaseError',
    message: expect.stringMatching(/^can't reach the database at 127\.0\.0\.1:1\/fleet: .*ECONNREFUSED/),
  });
  expect((failure as Error).message).not.toContain('hush');
});

it('connections that are cut are replaced', async () => {
  const { db, url, close } = await aDatabase();
  const other = await openDatabase(url);
  await other.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
  await expect
    .poll(() =>
      db.query('SELECT 1').then(
        () => 'answered',
        () => 'failed',
      ),
    )
    .toBe('answered');
  await other.destroy();
  await close();
});
