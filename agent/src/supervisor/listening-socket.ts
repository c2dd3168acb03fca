import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { StartError } from './start-error.js';

/** Bound but never listening here: a runner that inherits `fd` listens, and connections wait in the backlog while runners change. */
export type ListeningSocket = { fd: number; port?: number; close: () => void };
export type Address = { host: string; port: number };

type Handle = { fd: number; getsockname: (into: { port?: number }) => number; close: () => void };
/** What Node's own cluster module uses; net.Server would accept connections itself. A path has the type −1. */
type CreateHandle = (address: string, port: number, addressType: 4 | 6 | -1, fd?: number, flags?: number) => Handle | number;
export const createHandle = (net as unknown as { _createServerHandle: CreateHandle })._createServerHandle;

/** `who`: as an error names it, such as `slot "inspection"`. */
export async function bindSocket(who: string, { host, port }: Address): Promise<ListeningSocket & { port: number }> {
  const { address, family } = await lookup(host);
  const handle = createHandle(address, port, family === 6 ? 6 : 4);
  if (typeof handle === 'number') throw refused(who, host, port, handle);
  const name: { port?: number } = {};
  // libuv keeps "address in use" back until somebody listens; asking for the name brings it out.
  const error = handle.getsockname(name);
  if (error === 0 && name.port) return { fd: handle.fd, port: name.port, close: () => handle.close() };
  handle.close();
  throw refused(who, host, port, error);
}

function refused(who: string, host: string, port: number, error: number): StartError {
  const name = error < 0 ? getSystemErrorName(error) : 'EADDRINUSE';
  const why = name === 'EADDRINUSE' ? 'another program has that port' : `the system says ${name}`;
  return new StartError(
    'unavailable',
    `${who} cannot listen on ${host}:${port}: ${why}; give it another address or end that program`,
  );
}
