import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { engineVariable, FromRunner, type ToRunner } from '../runner-protocol.js';
import { eventually } from '../fixtures/eventually.js';
import { smallManifest, Workshop, served } from './fixtures/orders.js';
import type { LoadOrder } from './loading.js';

// The program as it is shipped, with an engine in a process of its own: what `tsc -b` has built.
const program = fileURLToPath(new URL('../../bin/flotilla-runner.js', import.meta.url));
const built = fileURLToPath(new URL('../../dist/runner/main.js', import.meta.url));
const engineProgram = fileURLToPath(new URL('../engine-protocol/fixtures/small-engine.mjs', import.meta.url));
beforeAll(() => {
  if (!existsSync(built)) throw new Error('agent/dist is not built; run `npx tsc -b` first');
});

const workshop = new Workshop();
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await workshop.clear();
});

function start(fault?: string) {
  const spec = { name: 'small', command: [process.execPath, engineProgram], env: fault ? { FAULT: fault } : {} };
  const env = { ...process.env, [engineVariable]: JSON.stringify(spec) };
  const child = fork(program, { execArgv: [], env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  children.push(child);
  const said: FromRunner[] = [];
  let log = '';
  child.on('message', (message) => said.push(FromRunner.parse(message)));
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = new Promise<number | string | null>((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
  const hears = async <T extends FromRunner['type']>(type: T) =>
    eventually(() => said.find((m): m is Extract<FromRunner, { type: T }> => m.type === type), 20_000);
  return { child, ended, hears, log: () => log, send: (message: ToRunner) => child.send(message) };
}

/** A release whose one variant is for the small engine: its scores are its inputs. */
async function aRelease(): Promise<LoadOrder> {
  const tensor = { type: 'FP32' as const, shape: [1, 3] };
  const [inputs, outputs] = [[{ name: 'x', ...tensor }], [{ name: 'y', ...tensor }]];
  const order = await workshop.smallRelease('colour', { ...smallManifest, inputs, outputs, preprocess: [], postprocess: [] });
  await writeFile(join(order.folder, order.variant), JSON.stringify({ op: 'identity', inputs, outputs }));
  return { ...order, providers: ['cuda', 'cpu'] };
}
const childrenOf = (pid: number) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
const isAlive = (pid: string) =>
  existsSync(`/proc/${pid}/stat`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

describe.skipIf(process.platform !== 'linux')('a runner whose engine is a process of its own', () => {
  test('serves without loading ONNX Runtime itself, counts the engine’s memory, and leaves nothing behind', async () => {
    const runner = start();
    runner.send(served(await aRelease(), join(await workshop.folder(), 'p.jsonl')));
    const { rssBytes, provider, shortfall } = await runner.hears('ready');
    expect([provider, shortfall]).toEqual(['cpu', 'cuda was asked for, and the session has cpu']);
    const [engine] = childrenOf(runner.child.pid!);
    expect(readFileSync(`/proc/${runner.child.pid}/maps`, 'utf8')).not.toContain('onnxruntime');
    const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${runner.child.pid}/status`, 'utf8'))![1]) * 1024;
    expect(rssBytes).toBeGreaterThan(own * 0.8 + 20e6);
    runner.send({ type: 'drain', graceMs: 500 });
    expect(await runner.ended).toBe(0);
    await eventually(() => !isAlive(engine!));
  });

  test('proves a release within the process that then serves it, where it is told to', async () => {
    const runner = start();
    runner.send({ ...served(await aRelease(), join(await workshop.folder(), 'p.jsonl')), prove: true });
    const { figures } = await runner.hears('preflighted');
    expect(figures).toMatchObject({ provider: 'cpu', goldenCases: 0 });
    await runner.hears('ready');
  });

  test('ends when its engine dies, and says why', async () => {
    const runner = start();
    runner.send(served(await aRelease(), join(await workshop.folder(), 'p.jsonl')));
    await runner.hears('ready');
    const [engine] = childrenOf(runner.child.pid!);
    process.kill(Number(engine), 'SIGKILL');
    expect(await runner.ended).toBe(1);
    expect(runner.log()).toContain('engine \\"small\\" ended by SIGKILL');
  });

  test('tells that its engine compiles', async () => {
    const runner = start('compiles');
    runner.send(await aRelease());
    expect(await runner.hears('progress')).toEqual({ type: 'progress', phase: 'compiling', fraction: 0.5, what: 'layer 3' });
    await runner.hears('preflighted');
  });
});
