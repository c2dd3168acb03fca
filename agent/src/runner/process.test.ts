import { spawn } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../fixtures/eventually.js';
import { Workshop, served } from './fixtures/orders.js';
import { Runners, boundSocket, program, requireBuild } from './fixtures/runner-program.js';

beforeAll(requireBuild);

const workshop = new Workshop();
const runners = new Runners();
const start = (...descriptors: number[]) => runners.start(...descriptors);
afterEach(async () => {
  runners.clear();
  await workshop.clear();
});

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const inferOf = (value: number) =>
  JSON.stringify({
    inputs: [{ name: 'images', datatype: 'FP32', shape: [1, 3, 8, 8], data: Array.from({ length: 192 }, () => value) }],
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

test('ONNX Runtime keeps and sends nothing of its own', async () => {
  const order = await workshop.smallRelease('colour');
  const home = join(order.folder, 'home');
  await mkdir(home);
  // Nothing in it that says "CI": there it would keep quiet by itself.
  const runner = new Runners({ PATH: process.env['PATH'], HOME: home }).start();
  runner.send(order);
  await runner.ended;
  expect(runner.said).toMatchObject([{ type: 'preflighted' }]);
  expect(await readdir(home)).toEqual([]);
});

describe('serving', () => {
  test('a release at fault is told, and the process ends well', async () => {
    const runner = start();
    const order = await workshop.smallRelease('colour', { outputs: [{ name: 'other', type: 'FP32', shape: [1, 3] }] });
    runner.send(served(order, join(order.folder, 'p.jsonl')));
    expect(await runner.ended).toEqual({ code: 0, signal: null });
    expect(runner.said).toMatchObject([
      { type: 'failed', failure: 'load', reason: expect.stringContaining('the manifest says other FP32 [1,3]') },
    ]);
  });

  test('without a socket it beats all the same, and drains at once', async () => {
    const runner = start();
    const order = await workshop.smallRelease('colour');
    runner.send(served(order, join(order.folder, 'p.jsonl')));
    await runner.hears('ready');
    runner.send({ type: 'activate' });
    await runner.hears('heartbeat');
    runner.send({ type: 'drain', graceMs: 5000 });
    expect(await runner.ended).toEqual({ code: 0, signal: null });
  });

  test('with a computation that outlasts the grace it is killed, not aborted', async () => {
    const socket = boundSocket();
    const runner = start(socket.fd);
    const order = await workshop.smallRelease('endless');
    runner.send(served(order, join(order.folder, 'p.jsonl'), { listen: { http: 4 } }));
    await runner.hears('ready');
    runner.send({ type: 'activate' });
    await runner.hears('activated');
    const asked = Promise.allSettled([
      fetch(`http://127.0.0.1:${socket.port}/v2/models/inspection/infer`, { method: 'POST', body: inferOf(2) }),
    ]);
    await runner.hears('computing');
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
    const order = served(await workshop.smallRelease('slow'), '/dev/null');
    const parent = spawn(process.execPath, [
      '-e',
      `const runner = require('node:child_process').fork(${JSON.stringify(program)}, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
       runner.send(${JSON.stringify({ ...order, type: 'preflight' })});
       setTimeout(() => console.log(runner.pid), 500);`,
    ]);
    runners.children.push(parent);
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
