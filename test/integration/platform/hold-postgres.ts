import { createLogger } from '@flotilla/control-plane/platform/logger';
import { startEmbeddedPostgres } from '@flotilla/control-plane/platform/postgres/embedded-postgres';

/** A program with an embedded database, for tests that kill one: says where it is, and stays until SIGTERM. */
const server = await startEmbeddedPostgres({ dataDir: process.argv[2]!, log: createLogger('silent') });
process.once('SIGTERM', () => void server.stop());
process.stdout.write(`${JSON.stringify({ url: server.url, pid: server.pid, clusterDir: server.clusterDir })}\n`);
