import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FromRunner, type ToRunner } from '../runner-protocol.js';
import { eventually } from './fixtures/eventually.js';
import { Workshop, served } from './fixtures/orders.js';

// The program as it is shipped: what `tsc -b` has built.
const program = fileURLToPath(new URL('../../bin/flotilla-runner.js', import.meta.url));
const built = fileURLToPath(new URL('../../dist/runner/main.js', import.meta.url));
beforeAll(() => {
  if (!existsSync(built)) throw new Error('agent/dist is not built; run `npx tsc -b` first');
});

const workshop = new Workshop();
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await workshop.clear();
});

function start(listenFd?: number) {
  const child = fork(program, { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc', listenFd ?? 'ignore'] });
  children.push(child);
  const said: FromRunner[] = [];
  let log = '';
  child.on('message', (message) => said.push(FromRunner.parse(message)));
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('exit', (code, signal) => resolve({ code, signal })),
  );
  const hears = async (type: FromRunner['type']) => eventually(() => said.find((m) => m.type === type), 20_000);
  return { child, said, ended, hears, log: () => log, send: (message: ToRunner) => child.send(message) };
}

/** As the supervisor does it: bound here, listening only in runners. */
function boundSocket(): { fd: number; port: number; close: () => void } {
  type Handle = { fd: number; getsockname: (into: { port?: number }) => number; close: () => void };
  const handle = (net as unknown as { _createServerHandle: (host: string, port: number, type: 4) => Handle })._createServerHandle(
    '127.0.0.1',
    0,
    4,
  );
  const name: { port?: number } = {};
  handle.getsockname(name);
  return { fd: handle.fd, port: name.port!, close: () => handle.close() };
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const infer = JSON.stringify({
  inputs: [{ name: 'images', datatype: 'FP32', shape: [1, 3, 8, 8], data: Array.from({ length: 192 }, () => 0.5) }],
});

describe('preflight', () => {
  test('answers with figures and exits', async () => {
    const runner = start();
    runner.send(await workshop.smallRelease('colour'));
    expect(await runner.ended).toEqual({ code: 0, signal: null });
    expect(runner.said).toMatchObject([{ type: 'preflighted', figures: { goldenCases: 0 } }]);
  });

  test('answers with the fault of a release and exits', async () => {
    const runner = start();
    runner.send(await workshop.smallRelease('constant'));
    expect(await runner.ended).toEqual({ code: 0, signal: null });
    expect(runner.said).toMatchObject([{ type: 'failed', failure: 'health' }]);
  });
});

describe('serving', () => {
  test('one runner takes over from another on the same socket and no request is lost', async () => {
    const socket = boundSocket();
    const order = served(await workshop.smallRelease('colour'), join(await workshop.folder(), 'p.jsonl'), {
      listen: { http: 4 },
    });
    const activate = async () => {
      const runner = start(socket.fd);
      runner.send(order);
      await runner.hears('ready');
      runner.send({ type: 'activate' });
      await runner.hears('activated');
      return runner;
    };
    let runner = await activate();
    const statuses: (number | string)[] = [];
    let going = true;
    const client = async () => {
      while (going)
        statuses.push(
          await fetch(`http://127.0.0.1:${socket.port}/v2/models/inspection/infer`, { method: 'POST', body: infer }).then(
            ({ status }) => status,
            String,
          ),
        );
    };
    const clients = Promise.all([client(), client(), client(), client()]);
    for (let swap = 0; swap < 3; swap++) {
      const successor = await activate();
      runner.send({ type: 'drain', graceMs: 5000 });
      expect(await runner.ended).toEqual({ code: 0, signal: null });
      expect(runner.said.at(-1)).toMatchObject({ type: 'window' });
      runner = successor;
    }
    going = false;
    await clients;
    socket.close();
    expect(statuses.length).toBeGreaterThan(100);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  }, 120_000);

  test('a release at fault is told, and the process ends well', async () => {
    const runner = start();
    const order = await workshop.smallRelease('colour', { outputs: [{ name: 'other', type: 'FP32', shape: [1, 3] }] });
    runner.send(served(order, join(order.folder, 'p.jsonl')));
    expect(await runner.ended).toEqual({ code: 0, signal: null });
    expect(runner.said).toMatchObject([
      { type: 'failed', failure: 'load', reason: expect.stringContaining('the manifest says other FP32 [1,3]') },
    ]);
  });

  test('without a socket it serves its source alone, and drains at once', async () => {
    const runner = start();
    const order = await workshop.smallRelease('colour');
    runner.send(served(order, join(order.folder, 'p.jsonl')));
    await runner.hears('ready');
    runner.send({ type: 'activate' });
    runner.send({ type: 'stop-source' });
    await runner.hears('source-stopped');
    await runner.hears('heartbeat');
    runner.send({ type: 'drain', graceMs: 5000 });
    expect(await runner.ended).toEqual({ code: 0, signal: null });
  });

  test('with a computation that outlasts the grace it is killed, not aborted', async () => {
    const socket = boundSocket();
    const runner = start(socket.fd);
    const order = await workshop.smallRelease('slow');
    runner.send(served(order, join(order.folder, 'p.jsonl'), { listen: { http: 4 } }));
    await runner.hears('ready');
    runner.send({ type: 'activate' });
    await runner.hears('activated');
    const asked = Promise.allSettled(
      Array.from({ length: 20 }, () =>
        fetch(`http://127.0.0.1:${socket.port}/v2/models/inspection/infer`, { method: 'POST', body: infer }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 100)); // into the first computation
    runner.send({ type: 'drain', graceMs: 0 });
    expect(await runner.ended).toEqual({ code: null, signal: 'SIGKILL' });
    await eventually(() => runner.log().includes('ended while still computing'));
    socket.close();
    await asked;
  });
});

describe('the end', () => {
  test('of the channel is the end of the runner', async () => {
    const runner = start();
    const order = await workshop.smallRelease('colour');
    runner.send(served(order, join(order.folder, 'p.jsonl')));
    await runner.hears('ready');
    runner.child.disconnect();
    expect(await runner.ended).toEqual({ code: 0, signal: null });
  });

  test('of a killed parent is the end of the runner, though it computes', async () => {
    const order = {
      ...served(await workshop.smallRelease('slow'), '/dev/null'),
      source: { directory: await workshop.folder(), perSecond: 1, then: 'keep' },
    };
    const parent = spawn(process.execPath, [
      '-e',
      `const runner = require('node:child_process').fork(${JSON.stringify(program)}, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
       runner.send(${JSON.stringify({ ...order, type: 'preflight' })});
       setTimeout(() => console.log(runner.pid), 500);`,
    ]);
    children.push(parent);
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text: Buffer) => resolve(Number(text))));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await eventually(() => !isAlive(pid), 15_000);
  });

  test.each<[string, unknown, RegExp]>([
    ['an order that is none', { type: 'dance' }, /not an order: .*Invalid discriminator value. Expected 'preflight'/],
    ['an order out of turn', { type: 'activate' }, /\\"activate\\" came before \\"serve\\"/],
  ])('of %s is told in the log', async (_what, message, reason) => {
    const runner = start();
    runner.child.send(message as object);
    expect(await runner.ended).toEqual({ code: 1, signal: null });
    await eventually(() => runner.log().match(reason));
  });

  test('of a start by hand is a sentence', async () => {
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    for await (const chunk of child.stderr.setEncoding('utf8')) text += chunk as string;
    expect(text).toBe('flotilla-runner is started by flotilla-agent, with an IPC channel; it does nothing alone\n');
  });
});
