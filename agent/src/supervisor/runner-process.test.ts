import { Digest, SlotName } from '@flotilla/protocol/device';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ToRunner } from '../runner-protocol.js';
import { ArtifactServer } from './fixtures/artifact-server.js';
import { aManifest, type Behaviour, fakeRunner, quiet, temporaryFolder } from './fixtures/fleet-of-one.js';
import { type Oversight, RunnerProcess, type RunnerProgram } from './runner-process.js';

let folder: string;
let server: ArtifactServer;
const started: RunnerProcess[] = [];
beforeEach(async () => {
  folder = await temporaryFolder();
  server = await ArtifactServer.start();
});
afterEach(async () => {
  for (const runner of started.splice(0)) runner.end('crash', 'the test is over');
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

function aRunner(oversight: Partial<Oversight> = {}, program: Partial<RunnerProgram> = {}, options = {}): RunnerProcess {
  const runner = new RunnerProcess({ path: fakeRunner, log: quiet, ...program }, options);
  runner.oversee({ maxRssBytes: 1e9, heartbeatMs: 300, ...oversight });
  started.push(runner);
  return runner;
}
async function loading(behaviour: Behaviour, type: 'serve' | 'preflight' = 'serve'): Promise<ToRunner> {
  const bytes = JSON.stringify(behaviour);
  await writeFile(join(folder, 'a.onnx'), bytes);
  const limits = { maxComputeMs: 250, maxRssBytes: 1e9, intraOpThreads: 1 };
  const release = {
    slot: SlotName.parse('s'),
    deployment: '00000000-0000-4000-8000-000000000001',
    digest: Digest.parse('a'.repeat(64)),
  };
  const serving = {
    windowS: 1,
    predictions: { file: join(folder, 'p'), maxBytes: 1, keep: 0 },
  };
  const manifest = aManifest(server, { 'a.onnx': bytes });
  return ToRunner.parse({
    type,
    ...release,
    manifest,
    folder,
    variant: 'a.onnx',
    ...limits,
    ...(type === 'serve' ? serving : {}),
  });
}

describe('a runner process', () => {
  it('loads, says that it is ready, and leaves when it is drained', async () => {
    const runner = aRunner();
    runner.send(await loading({}));
    await expect(runner.expect('ready', 3000)).resolves.toMatchObject({ rssBytes: 1000 });
    await runner.drain(500);
    await expect(runner.exited).resolves.toMatchObject({ reason: 'the runner exited with 0 unasked' });
  });

  it('measures while it gives way', async () => {
    const runner = aRunner({}, {}, { givesWayMs: 60_000 });
    runner.send(await loading({ computeMs: 7 }, 'preflight'));
    const { figures } = await runner.expect('preflighted', 3000);
    expect(figures.meanComputeMs).toBe(7);
    await runner.leave();
  });

  it.each([
    ['its own refusal', { serve: { failure: 'golden' } }, { failure: 'golden', message: 'told to fail with golden' }],
    ['a fault', { serve: { crash: 'SIGSEGV' } }, { failure: 'crash' }],
    ['a signal from outside', { serve: { crash: 'SIGTERM' } }, { failure: 'interrupted' }],
    ['an exit', { serve: { crash: 'exit' } }, { failure: 'crash', message: 'the runner exited with 3 unasked' }],
  ])('that ends by %s is told as such to whom waits', async (_name, behaviour, told) => {
    const runner = aRunner();
    runner.send(await loading(behaviour));
    await expect(runner.expect('ready', 3000)).rejects.toMatchObject(told);
  });

  it('that takes too long is given up', async () => {
    const runner = aRunner();
    runner.send(await loading({ loadMs: 60_000 }));
    await expect(runner.expect('ready', 100)).rejects.toThrow('the runner did not say "ready" within 0.1 s: it hangs');
  });

  it('is not waited for any longer once that is called off', async () => {
    const off = new AbortController();
    const waiting = aRunner().expect('ready', 3000, off.signal);
    off.abort(new Error('called off'));
    await expect(waiting).rejects.toThrow('called off');
  });

  it('that hangs while it serves is killed', async () => {
    const runner = aRunner();
    runner.send(await loading({ activate: { crash: 'hang' } }));
    await runner.expect('ready', 3000);
    runner.send({ type: 'activate' });
    runner.watch();
    await expect(runner.exited).resolves.toEqual({
      failure: 'crash',
      outside: false,
      reason: 'the runner hung: no heartbeat for 0.3 s',
    });
  });

  it('that cannot be started says so', async () => {
    const gone = await aRunner({}, { path: join(folder, 'nowhere.mjs') }).exited;
    expect(gone).toMatchObject({ failure: 'crash', outside: false });
    expect(gone.reason).toContain('exited with 1');
  });

  it('has the limits of its memory and threads in its environment, and what it is given', async () => {
    const lines: string[] = [];
    const script = join(folder, 'env.mjs');
    await writeFile(script, 'console.log(JSON.stringify(process.env))');
    const log = { ...quiet, info: (_: object, line: string) => void lines.push(line) };
    await aRunner({}, { path: script, log, env: { LD_LIBRARY_PATH: '/opt/ort' } }).exited;
    const environment: unknown = JSON.parse(lines[0]!.replace('runner: ', ''));
    expect(environment).toMatchObject({
      MALLOC_TRIM_THRESHOLD_: '65536',
      MALLOC_ARENA_MAX: '2',
      UV_THREADPOOL_SIZE: '2',
      LD_LIBRARY_PATH: '/opt/ort',
    });
  });
});
