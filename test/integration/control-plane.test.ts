import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { packageFolder } from '@flotilla/control-plane/package-folder';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane } from '../support/control-plane.js';
import { until } from '../support/until.js';

const program = join(packageFolder, 'dist', 'src', 'main.js');

describe('a start that cannot succeed', () => {
  let taken: Server;
  let port: number;
  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    port = (taken.address() as AddressInfo).port;
  });
  afterAll(() => void taken.close());

  it.each([
    ['http', 'FLOTILLA_HTTP_PORT'],
    ['deviceApi', 'FLOTILLA_DEVICE_API_PORT'],
    ['mqtt', 'FLOTILLA_MQTT_PORT'],
  ])('names the busy port of %s and its setting', async (part, variable) => {
    await expect(aControlPlane({ [part]: { port } })).rejects.toThrow(
      `port ${port} on 127.0.0.1 is in use: stop what listens there, or set ${variable} to a free one`,
    );
  });

  it('names a database that does not answer', async () => {
    const databaseUrl = `postgres://nobody@127.0.0.1:${port === 1 ? 2 : 1}/none`;
    await expect(aControlPlane({ databaseUrl })).rejects.toThrow(/^can't reach the database at 127\.0\.0\.1:\d\/none: /);
  });
});

describe('the program', { timeout: 60_000 }, () => {
  let dataDir: string;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    if (!existsSync(program)) throw new Error(`${program} is not there: npx tsc -b`);
    dataDir = await mkdtemp(join(tmpdir(), 'flotilla-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await until(databaseGone, 'the database has stopped');
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  const pidFile = () => join(dataDir, 'postgres', 'postmaster.pid');
  const databasePid = async () => Number((await readFile(pidFile(), 'utf8')).split('\n')[0]);
  const databaseGone = async () => !existsSync(pidFile()) || !isAlive(await databasePid().catch(() => 0));

  function launch(...args: string[]) {
    const free = { FLOTILLA_HTTP_PORT: '0', FLOTILLA_DEVICE_API_PORT: '0', FLOTILLA_MQTT_PORT: '0', FLOTILLA_LOG_LEVEL: 'warn' };
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env['PATH'], ...free, FLOTILLA_DATA: dataDir },
      stdio: ['pipe', 'inherit', 'pipe', 'pipe'],
    });
    children.push(child);
    return {
      child,
      exited: once(child, 'exit'),
      said: text(child.stderr!),
      ready: firstLine(child.stdio[3] as NodeJS.ReadableStream),
    };
  }

  it('says where it listens, refuses a second start on its data, and stops within three seconds', async () => {
    const { child, exited, ready } = launch('--ready-fd', '3');
    const message = JSON.parse(await ready) as Record<string, string>;
    expect(Object.keys(message)).toEqual(['type', 'http', 'deviceApi', 'mqtt', 'adminTokenFile']);
    const headers = { authorization: `Bearer ${(await readFile(message['adminTokenFile']!, 'utf8')).trim()}` };
    expect((await fetch(`${message['http']}/api/v1/status`, { headers })).status).toBe(200);

    const second = launch();
    expect(await second.exited).toEqual([1, null]);
    expect(await second.said).toMatch(
      /^the data folder .* is in use by process \d+ .*: stop that one, or choose another folder\n$/,
    );

    const began = performance.now();
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(performance.now() - began).toBeLessThan(9000);
    expect(await databaseGone()).toBe(true);
  });

  it('ends with its parent, where it is told to', async () => {
    const { child, exited, ready } = launch('--ready-fd', '3', '--exit-with-parent');
    await ready;
    child.stdin!.end();
    expect(await exited).toEqual([0, null]);
    expect(await databaseGone()).toBe(true);
  });

  it('killed without a word leaves no database behind', async () => {
    const { child, ready } = launch('--ready-fd', '3');
    await ready;
    const pid = await databasePid();
    child.kill('SIGKILL');
    await until(() => !isAlive(pid), 'the database has noticed');
  });

  it('lists every wrong setting and exits 78', async () => {
    const child = spawn(process.execPath, [program], { env: { FLOTILLA_HTTP_PORT: '99999', FLOTILLA_LOG_LEVEL: 'loud' } });
    children.push(child);
    const said = text(child.stderr);
    expect(await once(child, 'exit')).toEqual([78, null]);
    expect(await said).toMatch(/FLOTILLA_HTTP_PORT[^]*FLOTILLA_LOG_LEVEL/);
  });

  it('names an unknown option, and those that there are', async () => {
    const { exited, said } = launch('--port', '80');
    expect(await exited).toEqual([64, null]);
    expect(await said).toMatch(/'--port'[^]*--ready-fd N/);
  });
});

const firstLine = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let read = '';
  for await (const chunk of stream) {
    read += String(chunk);
    if (read.includes('\n')) break;
  }
  return read;
};

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}
