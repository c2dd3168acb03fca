import { SlotName } from '@flotilla/protocol/device';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { temporaryFolder } from './fixtures/fleet-of-one.js';
import { bindUnixSocket } from './unix-socket.js';

const slot = SlotName.parse('inspection');
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder, 'run', 'inspection.sock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const modeOf = (file: string) => statSync(file).mode & 0o777;

it('a socket is bound in a folder of its own, for owner and group alone, and goes with its owner', async () => {
  const socket = await bindUnixSocket(slot, path);
  expect([modeOf(join(folder, 'run')), modeOf(path)]).toEqual([0o750, 0o660]);
  const server = createServer((client) => client.end('heard')).listen({ fd: socket.fd });
  await once(server, 'listening');
  const [heard] = (await once(connect(path), 'data')) as [Buffer];
  expect(heard.toString()).toBe('heard');
  server.close();
  expect(existsSync(path)).toBe(true);
  socket.close();
  await expect.poll(() => existsSync(path)).toBe(false);
});

it('one that a dead program left behind is taken away', async () => {
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  mkdirSync(join(folder, 'run'));
  spawnSync(process.execPath, ['-e', code]);
  expect(existsSync(path)).toBe(true);
  (await bindUnixSocket(slot, path)).close();
});

it('one that is held is refused, though nobody listens on it yet', async () => {
  const first = await bindUnixSocket(slot, path);
  await expect(bindUnixSocket(slot, path)).rejects.toThrow(
    `slot "inspection" cannot listen on ${path}: another program listens there; give the slot another path or end that program`,
  );
  expect(existsSync(path)).toBe(true);
  first.close();
});

it('a file that is no socket is left alone', async () => {
  path = join(folder, 'precious');
  writeFileSync(path, 'keep');
  await expect(bindUnixSocket(slot, path)).rejects.toThrow('there is a file that is no socket; move it away');
  expect(existsSync(path)).toBe(true);
});

it('a folder that cannot be made is told', async () => {
  writeFileSync(join(folder, 'run'), 'a file');
  await expect(bindUnixSocket(slot, path)).rejects.toThrow('give it a path in a folder that the agent may write to');
});
