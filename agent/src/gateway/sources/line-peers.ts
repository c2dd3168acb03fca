import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import type { LinesSource } from '@flotilla/protocol/device';
import { isErrno, messageOf } from '../../errors.js';
import { SourceTrouble } from './persistent.js';
import { bytesUntilStopped } from './stopped-bytes.js';

type Serial = Extract<LinesSource['lines'], { serial: string }>;

const connectMs = 10_000;
/** After so long without a word the peer's system is asked whether it is there; ten unanswered seconds later the connection is over. */
const keepAliveMs = 15_000;

/** What a TCP peer writes, until it ends. */
export async function* tcpBytes(address: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const split = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, split).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(split + 1)) });
  socket.setKeepAlive(true, keepAliveMs);
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${connectMs / 1000} s`)), connectMs);
  socket.once('connect', () => clearTimeout(timer));
  try {
    yield* bytesUntilStopped(socket, signal, once(socket, 'connect'));
  } catch (error) {
    throw new SourceTrouble(
      'waiting',
      `${address} can not be read: ${messageOf(error) || String((error as NodeJS.ErrnoException).code)}`,
    );
  } finally {
    clearTimeout(timer);
  }
  throw new SourceTrouble('waiting', `${address} has ended the connection; it is being reached again`);
}

/** What comes over a serial line, until it is unplugged. */
export async function* serialBytes(config: Serial, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { serial } = config;
  await setLine(config);
  // Without O_NONBLOCK the call waits for a carrier, with a thread of the pool.
  const handle = await open(serial, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw troubleOf(serial, error);
  });
  try {
    yield* bytesUntilStopped(new ReadStream(handle.fd), signal);
  } catch (error) {
    throw troubleOf(serial, error);
  } finally {
    // libuv opens the device for itself; this descriptor it may have closed, too.
    await handle.close().catch(() => undefined);
  }
  throw new SourceTrouble('waiting', `${serial} has come to an end: it may be unplugged`);
}

/** coreutils has it on each Linux; a package for serial lines would be native code for each of our platforms, for one ioctl. */
async function setLine({ serial, baud, dataBits, parity, stopBits }: Serial): Promise<void> {
  const parityFlags = { none: ['-parenb'], even: ['parenb', '-parodd'], odd: ['parenb', 'parodd'] }[parity];
  const flags = [
    'raw',
    '-echo',
    'clocal',
    'cread',
    '-crtscts',
    `cs${dataBits}`,
    ...parityFlags,
    stopBits === 2 ? 'cstopb' : '-cstopb',
  ];
  try {
    await promisify(execFile)('stty', ['-F', serial, String(baud), ...flags], { timeout: 5000 });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw troubleOf(serial, said ? new Error(said.replace(/^stty: /, '')) : error);
  }
}

function troubleOf(serial: string, error: unknown): SourceTrouble {
  const reason = messageOf(error);
  if (/invalid argument|unable to perform|Inappropriate ioctl|ermission denied|EACCES/.test(reason))
    return new SourceTrouble('failed', `${serial} can not be set up as a serial line: ${reason}`);
  const away = isErrno(error, 'EIO', 'ENXIO', 'ENODEV', 'ENOENT') || /No such (file|device)/.test(reason);
  return new SourceTrouble(
    'waiting',
    away ? `${serial} is not there: it may be unplugged` : `${serial} can not be read: ${reason}`,
  );
}
