import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect, it } from 'vitest';
import { FleetOfOne } from './fixtures/fleet-of-one.js';
import { bindSocket } from './listening-socket.js';

const slot = 'slot "inspection"';
const listening = (server: Server) =>
  new Promise<AddressInfo>((resolve) => server.once('listening', () => resolve(server.address() as AddressInfo)));

it('a socket is bound, and whoever has its descriptor may listen', async () => {
  const socket = await bindSocket(slot, { host: 'localhost', port: 0 });
  const server = createServer().listen({ fd: socket.fd });
  expect((await listening(server)).port).toBe(socket.port);
  server.close();
});

it('a port that another program listens on is refused by slot and address', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  const { port } = await listening(other);
  await expect(bindSocket(slot, { host: '127.0.0.1', port })).rejects.toThrow(
    `slot "inspection" cannot listen on 127.0.0.1:${port}: another program has that port; give it another address or end that program`,
  );
  other.close();
});

it('an address that this machine does not have is refused', async () => {
  await expect(bindSocket(slot, { host: '192.0.2.1', port: 0 })).rejects.toThrow('the system says EADDRNOTAVAIL');
});

it('the slots of a device do not start on an address that another program has', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  const { port } = await listening(other);
  const slots = { inspection: { listen: { http: { host: '127.0.0.1', port } } } };
  await expect(FleetOfOne.make({ slots })).rejects.toThrow(
    `slot "inspection" cannot listen on 127.0.0.1:${port}: another program has that port`,
  );
  other.close();
});
