import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Artifacts } from '@flotilla/control-plane/platform/artifacts';
import { backup } from '@flotilla/control-plane/platform/backup/backup';
import { restore } from '@flotilla/control-plane/platform/backup/restore';
import { type DataFolder, openDataFolder } from '@flotilla/control-plane/platform/data-folder';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@flotilla/control-plane/platform/postgres/embedded-postgres';
import type { Digest } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const log = createLogger('silent');
const base = mkdtempSync(join(tmpdir(), 'flotilla-backup-'));
chmodSync(base, 0o755);
const at = (name: string) => join(base, name);

let folder: DataFolder;
let server: EmbeddedPostgres;
let db: Database;
let artifacts: Artifacts;
let artifact: Digest;

beforeAll(async () => {
  folder = await openDataFolder(at('data'));
  server = await startEmbeddedPostgres({ dataDir: folder.dir, log });
  db = await openDatabase(server.url);
  artifacts = new Artifacts(folder.path('artifacts'));
  artifact = await artifacts.putBytes(Buffer.from('a model'));
  writeFileSync(folder.path('admin-token'), 'token', { mode: 0o600 });
  await folder.writeSecret('director.key', 'key');
  await db.query('CREATE TABLE written (n int)');
});
afterAll(async () => {
  await db.destroy();
  await server.stop();
  folder.close();
  rmSync(base, { recursive: true });
});

const backupTo = (target: string) =>
  backup({ dataFolder: folder, artifacts, database: { kind: 'embedded', url: server.url }, target });

/** Rows that were committed, one by one, until `stop`. */
function write() {
  const committed: number[] = [];
  let stopped = false;
  const ended = (async () => {
    for (let n = 0; !stopped; n++) {
      await db.query('INSERT INTO written SELECT $1 FROM generate_series(1, 50)', [n]);
      committed.push(n);
    }
  })();
  const stop = () => {
    stopped = true;
    return ended;
  };
  return { committed, stop };
}

// A thousand small files, written out each: slow where the disk is busy.
describe('a backup', { timeout: 120_000 }, () => {
  it('taken while writing goes on starts as a database with all that was committed before it, and no half transactions', async () => {
    const writer = write();
    await until(() => writer.committed.length > 100, 'rows were written');
    const before = writer.committed.length;
    await backupTo(at('backup'));
    const after = writer.committed.length;
    await until(() => writer.committed.length > after + 20, 'rows were written after it');
    await writer.stop();
    expect(after).toBeGreaterThan(before);
    expect(statSync(at('backup')).mode & 0o777).toBe(0o700);

    await restore({ from: at('backup'), dataDir: at('restored'), log });
    const restored = await openDataFolder(at('restored'));
    expect(String(await restored.readSecret('director.key'))).toBe('key');
    expect(await readFile(restored.path('admin-token'), 'utf8')).toBe('token');
    expect(await new Artifacts(restored.path('artifacts')).has(artifact)).toEqual({ size: 7 });
    const second = await startEmbeddedPostgres({ dataDir: restored.dir, log });
    const copy = await openDatabase(second.url);
    const counts = await copy.query<{ n: number; rows: number }[]>(
      'SELECT n, count(*)::int AS rows FROM written GROUP BY n ORDER BY n',
    );
    expect(counts.map(({ n }) => n)).toEqual(counts.map((_, n) => n));
    expect(counts.every(({ rows }) => rows === 50)).toBe(true);
    expect(counts.length).toBeGreaterThanOrEqual(before);
    expect(counts.length).toBeLessThanOrEqual(after + 1);
    await copy.query('INSERT INTO written VALUES (-1)');
    await copy.destroy();
    await second.stop();
    restored.close();
  });

  it('does not write over anything', async () => {
    mkdirSync(at('taken'));
    await expect(backupTo(at('taken'))).rejects.toThrow(/exists already: name a folder that is not there yet/);
  });

  it('that cannot begin says so at once, whatever is in the way', { timeout: 20_000 }, async () => {
    writeFileSync(at('a-file'), '');
    await expect(backupTo('/proc/nope')).rejects.toThrow(/^the backup \/proc\/nope can't be begun: ENOENT/);
    await expect(backupTo('/proc/nope/deeper')).rejects.toThrow(/can't be begun: ENOENT/);
    await expect(backupTo(at('a-file/backup'))).rejects.toThrow(/can't be written: ENOTDIR/);
  });

  it('that fails leaves nothing behind', async () => {
    const order = { dataFolder: folder, artifacts, target: at('failed') };
    await expect(backup({ ...order, database: { kind: 'embedded', url: server.url.replace('5432', '5433') } })).rejects.toThrow();
    expect(existsSync(at('failed'))).toBe(false);
    expect(existsSync(at('failed.partial'))).toBe(false);
  });

  it('of an external database names the tools for it', async () => {
    await expect(
      backup({ dataFolder: folder, artifacts, database: { kind: 'external' }, target: at('external') }),
    ).rejects.toThrow('pg_basebackup');
    await expect(restore({ from: at('backup'), dataDir: at('external'), log, databaseUrl: 'postgresql://db/x' })).rejects.toThrow(
      'pg_restore',
    );
  });
});

describe('a restore', () => {
  it('is made into an empty folder only', async () => {
    await expect(restore({ from: at('backup'), dataDir: folder.dir, log })).rejects.toThrow(
      /is not empty: restore into an empty or a new folder/,
    );
  });

  it('refuses what is no backup', async () => {
    mkdirSync(at('nothing'));
    await expect(restore({ from: at('nothing'), dataDir: at('from-nothing'), log })).rejects.toThrow(/is no backup of Flotilla/);
  });

  it('refuses a backup of a newer version', async () => {
    mkdirSync(at('newer'));
    const manifest = JSON.parse(await readFile(join(at('backup'), 'backup.json'), 'utf8')) as object;
    writeFileSync(join(at('newer'), 'backup.json'), JSON.stringify({ ...manifest, format: 2 }));
    await expect(restore({ from: at('newer'), dataDir: at('from-newer'), log })).rejects.toThrow(
      /has format 2 of a newer Flotilla/,
    );
  });

  it('refuses a manifest that points outside', async () => {
    mkdirSync(at('hostile'));
    const manifest = JSON.parse(await readFile(join(at('backup'), 'backup.json'), 'utf8')) as object;
    writeFileSync(join(at('hostile'), 'backup.json'), JSON.stringify({ ...manifest, folders: ['../elsewhere'] }));
    await expect(restore({ from: at('hostile'), dataDir: at('from-hostile'), log })).rejects.toThrow(
      /must be a path inside the backup/,
    );
  });

  it('refuses a damaged or incomplete backup and leaves the folder empty', async () => {
    const damaged = join(at('backup'), 'secrets', 'director.key');
    writeFileSync(damaged, 'kex');
    await expect(restore({ from: at('backup'), dataDir: at('from-damaged'), log })).rejects.toThrow(/director\.key is damaged/);
    expect(readdirSync(at('from-damaged'))).toEqual([]);
    rmSync(damaged);
    await expect(restore({ from: at('backup'), dataDir: at('from-damaged'), log })).rejects.toThrow(
      /is incomplete: secrets\/director\.key is missing/,
    );
  });
});
