import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrno } from '../../errors.js';

/** What a broker knows this source by: it keeps messages for that name while the device is away. */
const Session = z.object({ clientId: z.string().min(1).max(128), url: z.string(), topic: z.string() });
type Session = z.infer<typeof Session>;

/** `stale`: the broker knows the name with another topic, and must forget that first. */
type BrokerSession = { clientId: string; stale: boolean };

/** Kept over restarts; the name is made once, and differs from every other device's. */
export async function brokerSession(
  folder: string,
  { url, topic, clientId }: { url: string; topic: string; clientId: string | undefined },
): Promise<BrokerSession> {
  const kept = await read(folder);
  const name = clientId ?? kept?.clientId ?? `flotilla-${randomBytes(8).toString('hex')}`;
  const stale = kept?.clientId === name && kept.url === url && kept.topic !== topic;
  return { clientId: name, stale };
}

export async function keepSession(folder: string, session: Session): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = pathIn(folder);
  await writeFile(`${path}.new`, JSON.stringify(session), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function read(folder: string): Promise<Session | undefined> {
  try {
    // One that can not be read is as good as none: a new name is made.
    return Session.safeParse(JSON.parse(await readFile(pathIn(folder), 'utf8'))).data;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const pathIn = (folder: string) => join(folder, 'mqtt-session.json');
