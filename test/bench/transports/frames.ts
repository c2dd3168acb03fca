import { readFile } from 'node:fs/promises';
import { encodeFrame, frameType } from '@flotilla/agent/frame';
import { RestConnection } from './rest.js';
import type { Call, Transport } from './transport.js';

/** What a gateway sends: pictures as a camera has them, one after the other, on a keep-alive connection. */
export const frames: Transport = {
  async open(target, call) {
    const requests = await Promise.all((call.pictures ?? []).map(async (path) => requestOf(call, await readFile(path))));
    let next = 0;
    const connection = new RestConnection(target, () => requests[next++ % requests.length]!, call.outputBytes);
    await connection.connect();
    return connection;
  },
};

function requestOf({ slot }: Call, payload: Buffer): Buffer {
  const body = encodeFrame({
    head: { payload: { kind: 'encoded' }, stream: 'bench', capturedAt: new Date().toISOString() },
    payload,
  });
  const head = [
    `POST /v1/slots/${slot}/frames HTTP/1.1`,
    'host: localhost',
    `content-type: ${frameType}`,
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}
