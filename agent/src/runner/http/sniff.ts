import type { Socket } from 'node:net';

/** HTTP/2 with prior knowledge begins so (RFC 9113, 3.4), and no method of HTTP/1 does. */
const preface = Buffer.from('PRI ');
/** A connection that says nothing is nobody's: so long it may take over its first bytes. */
const firstBytesMs = 10_000;

type Spoken = 'http1' | 'http2';

/** Tells by its first bytes what a connection speaks, and leaves them to be read again. Undefined: it went away before it said so. */
export function sniff(socket: Socket): Promise<Spoken | undefined> {
  const { promise, resolve } = Promise.withResolvers<Spoken | undefined>();
  let seen: Buffer = Buffer.alloc(0);
  const late = setTimeout(() => socket.destroy(), firstBytesMs);
  const gone = () => done(undefined);
  const look = () => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const start = seen.subarray(0, preface.length);
    if (!preface.subarray(0, start.length).equals(start)) done('http1');
    else if (start.length === preface.length) done('http2');
  };
  function done(spoken: Spoken | undefined): void {
    clearTimeout(late);
    socket.off('readable', look).off('close', gone).off('error', ignore);
    if (spoken) socket.unshift(seen);
    resolve(spoken);
  }
  socket.on('readable', look).on('close', gone).on('error', ignore);
  return promise;
}

/** Its close follows. */
const ignore = () => undefined;
