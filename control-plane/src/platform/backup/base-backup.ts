import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { CopiedTree } from './copied-tree.js';

/** PostgreSQL's manual, "Making a Base Backup Using the Low Level API": what a copy must or need not hold. */
const leftOut = new Set(['postmaster.pid', 'postmaster.opts', 'backup_label']);
const emptied = /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)\//;
const temporary = /(^|\/)(pgsql_tmp|pg_internal\.init)/;

/**
 * Copies the files of a running server under `name`, while writing goes on, and then the log that makes them one state.
 * The session holds both the backup mode and the slot that keeps that log: when it ends, they do.
 */
export async function copyCluster(url: string, clusterDir: string, tree: CopiedTree, name: string): Promise<void> {
  const session = new pg.Client({ connectionString: url });
  await session.connect();
  try {
    await session.query(`SELECT pg_create_physical_replication_slot('flotilla_backup_' || pg_backend_pid(), true, true)`);
    const start = await session.query<{ wal: string }>(`SELECT pg_walfile_name(pg_backup_start('flotilla', true)) AS wal`);
    await tree.tree(clusterDir, name, (path) => isLeftOut(path.slice(name.length + 1)));
    const stop = await session.query<{ label: string; wal: string }>(
      'SELECT labelfile AS label, pg_walfile_name(lsn) AS wal FROM pg_backup_stop(wait_for_archive => false)',
    );
    // Without the label the server would begin to recover at a wrong place, and its data would be wrong without a word.
    await tree.text(`${name}/backup_label`, stop.rows[0]!.label);
    await copyLog(clusterDir, tree, name, { first: start.rows[0]!.wal, last: stop.rows[0]!.wal });
  } finally {
    await session.end();
  }
}

const isLeftOut = (path: string) =>
  leftOut.has(path) || temporary.test(path) || (emptied.test(path) && path !== 'pg_wal/archive_status');

/** Segments are named in the order of the log. */
async function copyLog(
  clusterDir: string,
  tree: CopiedTree,
  name: string,
  { first, last }: { first: string; last: string },
): Promise<void> {
  const segments = (await readdir(join(clusterDir, 'pg_wal'))).filter(
    (file) => /^[0-9A-F]{24}$/.test(file) && file >= first && file <= last,
  );
  for (const file of segments) await tree.file(join(clusterDir, 'pg_wal', file), `${name}/pg_wal/${file}`);
}
