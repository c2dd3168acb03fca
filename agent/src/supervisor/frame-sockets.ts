import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SlotAddresses } from './slot-sockets.js';
import { StartError } from './start-error.js';

/** Of sockaddr_un, less the byte that ends it. */
const longestSocketPath = 107;
const ownerOnly = 0o700;

type Slots = Readonly<Record<string, { listen: SlotAddresses }>>;

/** Every slot has a UNIX socket, over which the gateway feeds it: the one that it is given, or one of its own where others can't look. */
export function withFrameSockets<S extends Slots>(
  dataDir: string,
  slots: S,
): { [K in keyof S]: S[K] & { listen: { unix: string } } } {
  const missing = Object.entries(slots).filter(([, { listen }]) => listen.unix === undefined);
  const folder = folderFor(
    dataDir,
    missing.map(([name]) => name),
  );
  const entries = Object.entries(slots).map(([name, slot]) => [
    name,
    { ...slot, listen: { ...slot.listen, unix: slot.listen.unix ?? join(folder, `${name}.sock`) } },
  ]);
  return Object.fromEntries(entries) as { [K in keyof S]: S[K] & { listen: { unix: string } } };
}

/** In the data folder, unless that lies too deep for a socket's path; then in the temporary folder, under a name that only this data folder has. */
function folderFor(dataDir: string, names: readonly string[]): string {
  const own = join(dataDir, 'run');
  const longest = names.reduce((length, name) => Math.max(length, Buffer.byteLength(join(own, `${name}.sock`))), 0);
  if (longest <= longestSocketPath) return own;
  const folder = join(tmpdir(), `flotilla-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
  mkdirSync(folder, { recursive: true, mode: ownerOnly });
  const { uid } = lstatSync(folder);
  if (uid === process.getuid?.() && lstatSync(folder).isDirectory()) return folder;
  throw new StartError(
    'unavailable',
    `${folder} belongs to somebody else: remove it, or give each slot a path of its own ("listen: { unix: /run/flotilla/SLOT.sock }")`,
  );
}
