import { once } from 'node:events';
import { connect } from 'node:net';

/** The input registers of unit 1 from 0 on, two bytes each, as one request of a PLC reads them. */
export async function modbusRead(port: number, count: number): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write(Buffer.from([0, 1, 0, 0, 0, 6, 1, 4, 0, 0, 0, count]));
    let answer = Buffer.alloc(0);
    while (answer.length < 9 + 2 * count) answer = Buffer.concat([answer, (await once(socket, 'data'))[0] as Buffer]);
    return answer.subarray(9);
  } finally {
    socket.destroy();
  }
}
