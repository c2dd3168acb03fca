import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { ModbusOutput } from '@flotilla/protocol/device';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../../../fixtures/eventually.js';
import { freePort } from '../../../supervisor/fixtures/loopback.js';
import { FedPort } from '../../fixtures/ports.js';
import { openModbus } from './modbus.js';

const log = pino({ level: 'silent' });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function serve(settings: object = {}) {
  const press = new FedPort('press');
  const port = await freePort();
  const parsed = ModbusOutput.parse({ port, ...settings });
  const output = openModbus({ settings: parsed, slots: [{ port: press.port, settings: parsed }], device: 'd', folder: '', log });
  closing.push(
    () => press.port.close(),
    () => output.stop('shutdown'),
  );
  output.start();
  return { press, port, output };
}

async function client(port: number): Promise<{ socket: Socket; received: () => Buffer }> {
  const socket = connect({ port, host: '127.0.0.1' });
  closing.push(() => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, received: () => Buffer.concat(chunks) };
}

/** Reads the quality. */
const question = (transaction: number) => Buffer.from([transaction >> 8, transaction & 255, 0, 0, 0, 6, 1, 4, 0, 2, 0, 1]);
const answer = (transaction: number) => Buffer.from([transaction >> 8, transaction & 255, 0, 0, 0, 5, 1, 4, 2, 0, 1]);
/** What holds sooner or later. */
const holds = (expectation: () => void) => eventually(() => (expectation(), true));
const running = (output: { status: { state: string } }) => holds(() => expect(output.status.state).toBe('running'));

it('answers what comes in pieces or together, in order', async () => {
  const { press, port, output } = await serve();
  await running(output);
  press.publish();
  const { socket, received } = await client(port);
  for (const byte of question(7)) {
    socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.write(Buffer.concat([question(8), question(9), question(10).subarray(0, 5)]));
  await holds(() => expect(received()).toEqual(Buffer.concat([answer(7), answer(8), answer(9)])));
  socket.write(question(10).subarray(5));
  await holds(() => expect(received().subarray(-11)).toEqual(answer(10)));
});

it.each([
  ['another protocol', 'GET / HTTP/1.1\r\n\r\n'],
  ['a frame without an end', Buffer.from([0, 0, 0, 0, 255, 255, 1, 4])],
  ['an empty frame', Buffer.from([0, 0, 0, 0, 0, 1, 1, 4])],
])('hangs up on %s, and on no one else', async (_what, garbage) => {
  const { port, output } = await serve();
  await running(output);
  const [good, bad] = [await client(port), await client(port)];
  const over = once(bad.socket, 'close');
  bad.socket.write(garbage);
  await over;
  good.socket.write(question(1));
  await holds(() => expect(good.received().byteLength).toBe(11));
  await holds(() => expect(output.status.clients).toBe(1));
});

it('lets the quietest client go for a new one', async () => {
  const { port, output } = await serve({ maxClients: 2 });
  await running(output);
  const [first, second] = [await client(port), await client(port)];
  for (const { socket } of [second, first]) {
    socket.write(question(1));
    await once(socket, 'data');
  }
  const over = once(second.socket, 'close');
  const third = await client(port);
  await over;
  for (const { socket, received } of [first, third]) {
    const before = received().byteLength;
    socket.write(question(2));
    await holds(() => expect(received().byteLength).toBe(before + 11));
  }
});

it('asks no more of a client that reads nothing', async () => {
  const { port, output } = await serve();
  await running(output);
  const { socket, received } = await client(port);
  socket.pause();
  // All that fits into the sockets on both sides, and no more: what is written then waits here.
  const many = Buffer.concat(Array.from({ length: 20_000 }, (_, i) => question(i % 65_536)));
  let sent = 0;
  while (socket.write(many) || sent < 200) {
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (socket.writableLength > 20 * many.byteLength) break;
  }
  expect(socket.writableLength).toBeGreaterThan(0);
  const other = await client(port);
  other.socket.write(question(1));
  await holds(() => expect(other.received().byteLength).toBe(11));
  socket.resume();
  await holds(() => expect(received().byteLength).toBeGreaterThan(11 * 20_000));
});

it('waits for a port that another program has, and says what to do', async () => {
  const port = await freePort();
  const other = createServer().listen({ port, host: '127.0.0.1' });
  await once(other, 'listening');
  const { output } = await serve({ port });
  await holds(() =>
    expect(output.status).toEqual({
      state: 'failed',
      reason: `another program has 127.0.0.1:${port}: give modbus another port, such as port: 1502; it is tried again`,
    }),
  );
  other.close();
  await running(output);
});

it('says which address the device has not', async () => {
  const { output } = await serve({ host: '192.0.2.1' });
  await holds(() => expect(output.status.reason).toBe('this device has no address 192.0.2.1; it is tried again'));
});
