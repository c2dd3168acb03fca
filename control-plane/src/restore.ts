import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

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
const { BlockFile } = await import('./kills/block-file.js');
const { ConfigError, loadConfig } = await import('./load-config.js');
const { BackupError } = await import('./platform/backup/backup-manifest.js');
const { restore } = await import('./platform/backup/restore.js');
const { DataFolderError } = await import('./platform/data-folder.js');
const { createLogger } = await import('./platform/logger.js');

const [from, dataDir, blocksOf, ...more] = process.argv.slice(2);
if (from === undefined || dataDir === undefined || more.length > 0) end('use: restore BACKUP DATA-FOLDER [FOLDER-WITH-BLOCKS]');

/** What was killed since the backup was made. */
async function blocksIn(folder: string) {
  if (!existsSync(join(folder, 'blocks.json')))
    throw new BackupError(`${folder} has no blocks.json: name the data folder of before`);
  return new BlockFile(folder).read().catch((cause: Error) => {
    throw new BackupError(cause.message, { cause });
  });
}

/** Says on standard output, as JSON, what was restored: `flotilla restore` reads it. */
try {
  const { databaseUrl } = loadConfig(process.env);
  const blocks = blocksOf === undefined ? undefined : await blocksIn(resolve(blocksOf));
  const manifest = await restore({ from: resolve(from), dataDir: resolve(dataDir), log: createLogger('silent'), databaseUrl });
  if (blocks) await new BlockFile(resolve(dataDir)).write(blocks);
  const { createdAt, files } = manifest;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  process.stdout.write(`${JSON.stringify({ folder: resolve(dataDir), backupOf: createdAt, files: files.length, bytes })}\n`);
} catch (error) {
  const known = [BackupError, ConfigError, DataFolderError].some((kind) => error instanceof kind);
  end(known ? (error as Error).message : String((error as Error).stack ?? error));
}
