import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LimitedConnection } from './limited-connection.js';
import { type ConnectionLimits, deviceLimits } from './limiter.js';

const server = createServer();
let client: Socket;
let accepted: Socket;

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  [accepted] = (await once(server, 'connection')) as [Socket];
});
afterEach(() => {
  client.destroy();
  server.close();
});

const ping = Buffer.from([0xc0, 0x00]);
const limited = (limits: Partial<ConnectionLimits> = {}, gathers = false) => {
  const dropped: string[] = [];
  const connection = new LimitedConnection(accepted, { ...deviceLimits, ...limits }, (reason) => dropped.push(reason), gathers);
  return { connection, dropped };
};

test('bytes pass in both directions, and the end of one side ends the other', async () => {
  const { connection } = limited();
  client.write(ping);
  const [got] = (await once(connection, 'data')) as [Buffer];
  expect(got).toEqual(ping);
  connection.write('an');
  connection.write('swer');
  const [answer] = (await once(client, 'data')) as [Buffer];
  expect('answer'.startsWith(answer.toString())).toBe(true);
  client.end();
  await once(connection, 'close');
});

test('what breaks a limit is not handed on, and ends the connection', async () => {
  const { connection, dropped } = limited();
  connection.on('data', () => expect.unreachable('nothing of it is handed on'));
  client.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  await once(client, 'close');
  expect(dropped).toEqual(['oversize']);
});

test('nothing is read while 64 packets are not delivered, and reading goes on when one is', async () => {
  const { connection } = limited();
  for (let i = 0; i < 64; i++) connection.delivering();
  let read = 0;
  connection.on('data', (chunk: Buffer) => (read += chunk.length));
  client.write(ping);
  // The socket has them, and has told so.
  await once(accepted, 'readable');
  await new Promise((resolve) => setImmediate(resolve));
  expect(read).toBe(0);
  connection.delivered();
  expect(read).toBe(2);
});

test('over its rate, the next bytes are read only after the wait', async () => {
  const { connection } = limited({ packetsPerS: 10, packetBurst: 1 });
  connection.on('data', () => {});
  client.write(Buffer.concat([ping, ping, ping]));
  await once(connection, 'data');
  const from = performance.now();
  client.write(ping);
  await once(connection, 'data');
  expect(performance.now() - from).toBeGreaterThan(150);
});

test('what one turn of the loop has for who hears everybody leaves in one write, and what comes later in the next', async () => {
  const { connection } = limited({}, true);
  const writes: string[] = [];
  const write = accepted.write.bind(accepted) as (chunk: Buffer, done: () => void) => boolean;
  accepted.write = ((chunk: Buffer, done: () => void) => {
    writes.push(chunk.toString());
    return write(chunk, done);
  }) as typeof accepted.write;
  // As mqtt-packet writes each packet.
  for (const packet of ['on', 'ce']) {
    connection.cork();
    connection.write(packet);
    connection.uncork();
  }
  expect(writes).toEqual([]);
  await once(client, 'data');
  connection.cork();
  connection.write('more');
  connection.uncork();
  await once(client, 'data');
  expect(writes).toEqual(['once', 'more']);
});
