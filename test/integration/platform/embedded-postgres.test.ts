import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '@flotilla/control-plane/platform/postgres/embedded-postgres';
import { findInstallation } from '@flotilla/control-plane/platform/postgres/installation';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { until } from '../../support/until.js';

const isRoot = process.getuid?.() === 0;
const nobody = 65534;
const base = mkdtempSync(join(tmpdir(), 'flotilla-pg-'));
chmodSync(base, 0o755);
let folders = 0;
const aFolder = () => {
  const dir = join(base, String(folders++));
  mkdirSync(dir, { mode: 0o700 });
  return dir;
};

const running = new Set<EmbeddedPostgres>();
async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({
    dataDir: aFolder(),
    log: createLogger('silent'),
    systemDir: join(base, 'system'),
    ...options,
  });
  running.add(server);
  return server;
}

const children = new Set<ChildProcess>();
interface Held {
  process: ChildProcess;
  url: string;
  pid: number;
  clusterDir: string;
}
/** A program of its own that holds an embedded database; another user's where a uid is given. */
async function hold(dataDir: string, uid?: number): Promise<Held> {
  const here = dirname(fileURLToPath(import.meta.url));
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-transform-types', '--conditions=flotilla-source'];
  const as = uid === undefined ? {} : { uid, gid: uid };
  const source = [...flags, '--import', join(here, '../../support/run-source.mjs'), join(here, 'hold-postgres.ts'), dataDir];
  const child = spawn(process.execPath, source, { ...as, stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { process: child, ...(JSON.parse(line) as Omit<Held, 'process'>) };
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

const socketDirOf = (url: string) => new URL(url).searchParams.get('host')!;
/** A process that nobody has reaped yet is not alive. */
function isAlive(pid: number): boolean {
  try {
    const state =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!
        : execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
    return !state.trim().startsWith('Z');
  } catch {
    return false;
  }
}
const answers = (url: string) =>
  query(url, 'SELECT').then(
    () => true,
    () => false,
  );

afterEach(async () => {
  for (const server of running) await server.stop();
  running.clear();
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => rmSync(base, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));

describe('the embedded PostgreSQL', { timeout: 60_000 }, () => {
  it('is a durable server on a private socket only', async () => {
    const { url } = await start();
    const rows = await query<{ name: string; setting: string }>(
      url,
      `SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'fsync', 'synchronous_commit', 'full_page_writes', 'jit')`,
    );
    const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    expect(settings).toEqual({ listen_addresses: '', fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', jit: 'off' });
    expect(statSync(socketDirOf(url)).mode & 0o777).toBe(0o700);
  });

  it('asks for the password that only its data folder holds', async () => {
    const { url } = await start();
    const wrong = new URL(url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('keeps its rows over a stop, and stops within two seconds though clients are connected', async () => {
    const dataDir = aFolder();
    const first = await start({ dataDir });
    await query(first.url, `CREATE TABLE kept AS SELECT 1 AS n`);
    const idle = new pg.Client({ connectionString: first.url });
    idle.on('error', () => undefined);
    await idle.connect();
    const began = performance.now();
    await first.stop();
    // Promised for a machine of its own; this one is shared with other tests.
    expect(performance.now() - began).toBeLessThan(6000);
    expect(existsSync(socketDirOf(first.url))).toBe(false);
    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  it('is started again when its server process is killed under load, at the same address, with all that was committed', async () => {
    const server = await start();
    const exits: string[] = [];
    server.onExit((reason) => exits.push(reason));
    await query(server.url, 'CREATE TABLE counted (n int)');
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    pool.on('error', () => undefined);
    let committed = 0;
    let stop = false;
    const writers = [0, 1, 2].map(async () => {
      while (!stop) {
        await pool.query('INSERT INTO counted VALUES (1)').then(
          () => committed++,
          () => new Promise((resolve) => setTimeout(resolve, 20)),
        );
      }
    });
    for (let round = 0; round < 2; round++) {
      const before = committed;
      await until(() => committed > before + 50, 'rows were written');
      // One that was started over what the dead one's backends still held may have ended, too.
      const deaths = exits.length;
      process.kill(server.pid!, 'SIGKILL');
      await until(() => exits.length > deaths, 'the death was noticed');
      await until(() => answers(server.url), 'the server answers again', 20_000);
    }
    stop = true;
    await Promise.all(writers);
    const [row] = await query<{ n: number }>(server.url, 'SELECT count(*)::int AS n FROM counted');
    expect(row!.n).toBeGreaterThanOrEqual(committed);
    await pool.end();
  });

  it('starts over a stale pid file, also one whose pid is another program by now', async () => {
    const dataDir = aFolder();
    const first = await start({ dataDir });
    await first.stop();
    const bystander = spawn('sleep', ['60'], isRoot ? { uid: statSync(first.clusterDir).uid } : {});
    children.add(bystander);
    const stale = join(first.clusterDir, 'postmaster.pid');
    writeFileSync(stale, `${bystander.pid}\n${first.clusterDir}\n1\n5432\n/nowhere\n\n0 0\nready\n`);
    const { uid, gid } = statSync(first.clusterDir);
    chownSync(stale, uid, gid);
    const second = await start({ dataDir });
    expect(await answers(second.url)).toBe(true);
    expect(isAlive(bystander.pid!)).toBe(true);
  });

  it('is gone, with its socket, soon after kill -9 of its parent, and starts again on the same data', async () => {
    const dataDir = aFolder();
    const held = await hold(dataDir);
    await query(held.url, 'CREATE TABLE kept AS SELECT 2 AS n');
    held.process.kill('SIGKILL');
    await until(() => !isAlive(held.pid), 'the server is gone', 3000);
    await until(() => !existsSync(socketDirOf(held.url)), 'its socket folder is gone', 3000);
    const again = await start({ dataDir });
    expect(await query(again.url, 'SELECT n FROM kept')).toEqual([{ n: 2 }]);
  });

  it('stops an orphan that still runs on its data', async () => {
    const dataDir = aFolder();
    const held = await hold(dataDir);
    // Stopped, the parent neither stops its server nor lets go of it: as good as gone.
    held.process.kill('SIGSTOP');
    const again = await start({ dataDir });
    expect(isAlive(held.pid)).toBe(false);
    expect(await answers(again.url)).toBe(true);
    held.process.kill('SIGKILL');
    // The watcher of the killed one must not take the new one down.
    await until(() => !existsSync(socketDirOf(held.url)), 'the killed parent was noticed', 3000);
    expect(await answers(again.url)).toBe(true);
  });

  it('refuses a socket path that is too long, saying how long', async () => {
    const long = join(aFolder(), 'x'.repeat(90));
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = long;
    try {
      await expect(start({ runtimeDir: long })).rejects.toThrow(/would have a path of \d+ bytes, and 10[37] are allowed/);
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  });

  it('says what PostgreSQL said when it can’t start', async () => {
    const dataDir = aFolder();
    const { stop, clusterDir } = await start({ dataDir }).then((server) => ({
      stop: () => server.stop(),
      clusterDir: server.clusterDir,
    }));
    await stop();
    writeFileSync(join(clusterDir, 'PG_VERSION'), '9.6\n');
    await expect(start({ dataDir })).rejects.toThrow(/did not start: database files are incompatible with server/);
  });
});

describe.skipIf(!isRoot || process.platform !== 'linux')('as root on Linux (skipped elsewhere)', { timeout: 60_000 }, () => {
  it('runs under an unprivileged user that was there before', async () => {
    const server = await start();
    const { uid } = statSync(server.clusterDir);
    expect(uid).not.toBe(0);
    expect(readFileSync('/etc/passwd', 'utf8')).toMatch(new RegExp(`^(postgres|nobody):[^:]*:${uid}:`, 'm'));
    expect(statSync(`/proc/${server.pid}`).uid).toBe(uid);
  });

  it('goes on with the user that owns the data', async () => {
    const dataDir = aFolder();
    await (await start({ dataDir })).stop();
    const clusterDir = join(dataDir, 'postgres');
    execFileSync('chown', ['-R', `${nobody}:${nobody}`, clusterDir]);
    const server = await start({ dataDir });
    expect(await answers(server.url)).toBe(true);
    expect(statSync(join(clusterDir, 'postmaster.pid')).uid).toBe(nobody);
  });

  it('runs from a copy where its user may not enter the checkout, and keeps its data where that user can', async () => {
    const closed = aFolder();
    const { dir, version } = await findInstallation();
    cpSync(dir, join(closed, 'native'), { recursive: true, verbatimSymlinks: true });
    const dataDir = join(closed, 'checkout', '.flotilla');
    mkdirSync(dataDir, { recursive: true });
    const options = { dataDir, installation: { dir: join(closed, 'native'), version } };
    const server = await start(options);
    expect(server.clusterDir.startsWith(join(base, 'system'))).toBe(true);
    expect(readFileSync(`/proc/${server.pid}/cmdline`, 'utf8').startsWith(join(base, 'system', `postgres-${version}`))).toBe(
      true,
    );
    await query(server.url, 'CREATE TABLE kept AS SELECT 3 AS n');
    await server.stop();
    const again = await start(options);
    expect(await query(again.url, 'SELECT n FROM kept')).toEqual([{ n: 3 }]);
  });

  it('takes its database along when the data folder moves, and refuses to share it with a copy', async () => {
    const closed = aFolder();
    const before = join(closed, 'before');
    mkdirSync(before);
    const server = await start({ dataDir: before });
    await server.stop();
    cpSync(before, join(closed, 'copy'), { recursive: true });
    await expect(start({ dataDir: join(closed, 'copy') })).rejects.toThrow('is a copy of');
    rmSync(before, { recursive: true });
    const moved = await start({ dataDir: join(closed, 'copy') });
    expect(moved.clusterDir).toBe(server.clusterDir);
  });

  it('runs as an ordinary user too, in that user’s own folder', async () => {
    const dataDir = aFolder();
    chownSync(dataDir, nobody, nobody);
    const held = await hold(dataDir, nobody);
    expect(await answers(held.url)).toBe(true);
    expect(statSync(held.clusterDir).uid).toBe(nobody);
    held.process.kill('SIGKILL');
    await until(() => !isAlive(held.pid), 'the server is gone', 3000);
  });
});
