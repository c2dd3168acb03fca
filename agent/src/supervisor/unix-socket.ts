import type { SlotName } from '@flotilla/protocol/device';
import { chmodSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { isErrno, messageOf } from '../errors.js';
import { createHandle, type ListeningSocket } from './listening-socket.js';
import { StartError } from './start-error.js';

/** Whoever is in the folder's group may come in, and may speak to the slot. */
const folderMode = 0o750;
const socketMode = 0o660;

/** Bound like the others; the file goes when the socket is closed, and one that a dead agent left behind is taken away first. */
export async function bindUnixSocket(slot: SlotName, path: string): Promise<ListeningSocket> {
  const refused = (why: string, cause?: unknown) =>
    new StartError('unavailable', `slot "${slot}" cannot listen on ${path}: ${why}`, { cause });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: folderMode });
    if (await isTaken(path)) throw refused('another program listens there; give the slot another path or end that program');
    removeStale(path, refused);
    const handle = createHandle(path, -1, -1);
    if (typeof handle === 'number') throw refused(`the system says ${getSystemErrorName(handle)}`);
    // Nobody listens yet: until this is done, nobody can connect.
    chmodSync(path, socketMode);
    return { fd: handle.fd, close: () => handle.close() };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw refused(`${messageOf(error)}; give it a path in a folder that the agent may write to`, error);
  }
}

function removeStale(path: string, refused: (why: string) => StartError): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw refused('there is a file that is no socket; move it away or give the slot another path');
  unlinkSync(path);
}

/** Somebody answers there; or, since a slot's socket is bound while nobody listens, somebody holds it. */
async function isTaken(path: string): Promise<boolean> {
  return isBound(path) || (await answers(path));
}

function isBound(path: string): boolean {
  try {
    return readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .some((line) => line.endsWith(` ${path}`));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return false; // not Linux, or not shown
    throw error;
  }
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
