import type { Socket } from 'node:net';

type Ends = Pick<Socket, 'remoteAddress' | 'localAddress'>;

/**
 * Whether the other end is on this device: a UNIX socket has no address, and who reaches us at our own address has it too.
 * Undefined as well once a client is gone, and then nothing is sent any more.
 */
export function isOnThisDevice({ remoteAddress, localAddress }: Ends): boolean {
  if (remoteAddress === undefined) return true;
  const plain = remoteAddress.replace(/^::ffff:/, '');
  return plain === '::1' || plain.startsWith('127.') || remoteAddress === localAddress;
}
