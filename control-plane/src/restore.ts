import { resolve } from 'node:path';

const neededNode = 24;

function end(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (Number(process.versions.node.split('.')[0]) < neededNode)
  end(
    `Flotilla needs Node.js ${neededNode} or newer, and this is ${process.version}: start it by npm or npx, which bring their own`,
  );

// Loaded only now: an older Node.js fails on them with a stack instead of that sentence.
const { ConfigError, loadConfig } = await import('./load-config.js');
const { BackupError } = await import('./platform/backup/backup-manifest.js');
const { restore } = await import('./platform/backup/restore.js');
const { DataFolderError } = await import('./platform/data-folder.js');
const { createLogger } = await import('./platform/logger.js');

const [from, dataDir, ...more] = process.argv.slice(2);
if (from === undefined || dataDir === undefined || more.length > 0) end('use: restore BACKUP DATA-FOLDER');

/** Says on standard output, as JSON, what was restored: `flotilla restore` reads it. */
try {
  const { databaseUrl } = loadConfig(process.env);
  const manifest = await restore({ from: resolve(from), dataDir: resolve(dataDir), log: createLogger('silent'), databaseUrl });
  const { createdAt, files } = manifest;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  process.stdout.write(`${JSON.stringify({ folder: resolve(dataDir), backupOf: createdAt, files: files.length, bytes })}\n`);
} catch (error) {
  const known = [BackupError, ConfigError, DataFolderError].some((kind) => error instanceof kind);
  end(known ? (error as Error).message : String((error as Error).stack ?? error));
}
