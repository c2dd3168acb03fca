import { cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { restore } from '@flotilla/control-plane/platform/backup/restore';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { until } from '../../support/until.js';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

const loadMs = 2000;
const toldMs = 15_000;

/** What was acknowledged since the backup was made is gone from the devices and from the database: it must be told, neither more nor less. */
export const restoreFault: Fault = { name: 'database restored from a backup', strike };

async function strike(rig: TelemetryRig): Promise<Outcome> {
  const kept = mkdtempSync(join(tmpdir(), 'flotilla-backup-'));
  try {
    return await goneBack(rig, join(kept, 'backup'));
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
}

async function goneBack(rig: TelemetryRig, folder: string): Promise<Outcome> {
  await rig.load(loadMs);
  const { status, body } = await rig.server.api('POST', 'backups', { folder });
  if (status !== 201) throw new Error(`no backup was made: ${JSON.stringify(body)}`);
  await rig.load(loadMs);
  rig.relay.setDown(true);
  await rig.load(loadMs / 2);
  await rig.kill('control plane');
  await backTo(rig, folder);
  await rig.resume();
  rig.relay.setDown(false);
  await rig.load(loadMs);
  const { lost, ...rest } = await rig.settle();
  // What a device let go of after its last batch it tells with its next heartbeat.
  await until(async () => (await rig.reportedLost()) >= lost, 'all that is lost was told', toldMs).catch(() => undefined);
  const told = await rig.reportedLost();
  const wrong =
    lost === 0 ? 'nothing was lost: the backup was too young' : told === lost ? undefined : `${told} are reported lost`;
  return { verdict: { ...rest, lost: lost - told }, said: `${lost} acknowledged since the backup, ${told} reported lost`, wrong };
}

async function backTo({ dataDir, settings }: TelemetryRig, folder: string): Promise<void> {
  // Mosquitto's own files lie there as well, and it runs: it is given its place back.
  const aside = `${dataDir}.before`;
  renameSync(dataDir, aside);
  await restore({ from: folder, dataDir, log: createLogger('silent'), databaseUrl: settings.databaseUrl });
  for (const name of readdirSync(aside))
    if (!existsSync(join(dataDir, name)) && !name.startsWith('postgres'))
      cpSync(join(aside, name), join(dataDir, name), { recursive: true });
  rmSync(aside, { recursive: true, force: true });
}
