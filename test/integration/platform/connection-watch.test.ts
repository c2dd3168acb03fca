import { ConnectionWatch } from '@flotilla/control-plane/platform/connection-watch';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, afterEach, expect, it } from 'vitest';
import { Relay } from '../../fleet-sim/relay.js';
import { anEmptyDatabase } from '../../support/postgres.js';

const silenceMs = 200;
const application_name = 'flotilla';

let database: Awaited<ReturnType<typeof anEmptyDatabase>>;
let relay: Relay;
const pools: pg.Pool[] = [];
let direct: pg.Client;
beforeAll(async () => {
  database = await anEmptyDatabase();
  direct = new pg.Client({ connectionString: database.url });
  await direct.connect();
  await direct.query('CREATE TABLE counted (n int); INSERT INTO counted VALUES (0)');
});
afterAll(async () => {
  await direct?.end();
  await database?.close();
});
beforeEach(async () => {
  relay = await Relay.before(database.url);
});
afterEach(async () => {
  await relay.close();
  for (const pool of pools.splice(0)) await pool.end();
});

/** By way of the relay; `url`: where the watch asks. */
function aPool(url = database.url): pg.Pool {
  const pool = new pg.Pool({ connectionString: relay.url, application_name });
  pool.on('error', () => undefined);
  new ConnectionWatch(pool, { url, silenceMs });
  pools.push(pool);
  return pool;
}
async function aClient(pool: pg.Pool): Promise<{ client: pg.PoolClient; lost: Promise<Error> }> {
  const client = await pool.connect();
  return { client, lost: new Promise((resolve) => client.once('error', resolve)) };
}

it('a statement is given up where the way to the database is gone without a word, and what it had locked is free', async () => {
  const pool = aPool();
  const { client, lost } = await aClient(pool);
  await client.query('BEGIN; UPDATE counted SET n = n + 1');
  relay.halfOpen(1, () => 0);
  await expect(client.query('COMMIT')).rejects.toThrow('nothing came from the database for 0.2 s');
  client.release(await lost);
  await direct.query(`SET lock_timeout = '5s'`);
  await direct.query('UPDATE counted SET n = n + 10');
  expect((await pool.query('SELECT n FROM counted')).rows).toEqual([{ n: 10 }]);
});

it('what waits in the pool is given up with it, so that the next statement finds a new way', async () => {
  const pool = aPool();
  const [{ client, lost }, ...others] = [await aClient(pool), await aClient(pool), await aClient(pool)];
  for (const other of others) other.client.release();
  relay.halfOpen(1, () => 0);
  await expect(client.query('SELECT 1')).rejects.toThrow('nothing came from the database');
  client.release(await lost);
  expect((await pool.query('SELECT 7 n')).rows).toEqual([{ n: 7 }]);
});

it('a statement may take long', async () => {
  expect((await aPool().query(`SELECT pg_sleep(${(4 * silenceMs) / 1000}), 7 n`)).rows).toEqual([{ pg_sleep: '', n: 7 }]);
});

it('a transaction may pause between two statements', async () => {
  const { client } = await aClient(aPool());
  await client.query('BEGIN');
  await direct.query(`SELECT pg_sleep(${(4 * silenceMs) / 1000})`);
  expect((await client.query('SELECT 7 n')).rows).toEqual([{ n: 7 }]);
  await client.query('COMMIT');
  client.release();
});

it('a statement is given up where the database cannot be asked about it either', async () => {
  const nowhere = new URL(database.url);
  nowhere.searchParams.set('host', '/nowhere');
  const { client, lost } = await aClient(aPool(nowhere.href));
  relay.setStill(true);
  await expect(client.query('SELECT 1')).rejects.toThrow('nothing came from the database');
  client.release(await lost);
});
