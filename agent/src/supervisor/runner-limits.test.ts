import { Digest, Manifest, sha256, SlotName } from '@flotilla/protocol/device';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ToRunner } from '../runner-protocol.js';
import { feed } from './fixtures/feeder.js';
import { quiet, temporaryFolder } from './fixtures/fleet-of-one.js';
import { type Oversight, RunnerProcess } from './runner-process.js';
import { SlotSockets } from './slot-sockets.js';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const runnerPath = file('../../dist/runner/main.js');

let folder: string;
let runner: RunnerProcess;
let sockets: SlotSockets;
let endFeed: () => Promise<void>;
beforeEach(async () => {
  folder = await temporaryFolder();
  sockets = await SlotSockets.bind(SlotName.parse('s'), { http: { host: '127.0.0.1', port: 0 } });
  endFeed = async () => {};
});
afterEach(async () => {
  runner.end('crash', 'the test is over');
  await runner.exited;
  await endFeed();
  sockets.close();
  await rm(folder, { recursive: true, force: true });
});

/** One of the runner's small models. Its pictures are five times as bright as warm-up's, which is what these models wait for. */
async function order(model: string, type: 'serve' | 'preflight'): Promise<ToRunner> {
  await copyFile(file(`../runner/fixtures/${model}.onnx`), join(folder, 'model.onnx'));
  const manifest: Manifest = Manifest.parse({
    v: 1,
    model: 'm',
    version: '1.0.0',
    inputs: [{ name: 'images', type: 'FP32', shape: [1, 3, 8, 8] }],
    outputs: [{ name: 'scores', type: 'FP32', shape: [1, 3] }],
    preprocess: [
      { decode: {} },
      { resize: { width: 8, height: 8, fit: 'stretch', reference: 'pillow-bilinear' } },
      { normalise: { mean: [0, 0, 0], std: [51, 51, 51], layout: 'NCHW' } },
    ],
    variants: [{ file: 'model.onnx', precision: 'fp32', providers: ['cpu'] }],
    files: [{ path: 'model.onnx', sha256: sha256(''), size: 0 }],
  });
  return ToRunner.parse({
    type,
    slot: 's',
    deployment: '00000000-0000-4000-8000-000000000001',
    digest: Digest.parse('a'.repeat(64)),
    manifest,
    folder,
    variant: 'model.onnx',
    intraOpThreads: 1,
    maxComputeMs: 250,
    maxRssBytes: 1e9,
    windowS: 1,
    listen: sockets.listen,
    predictions: { file: join(folder, 'p.jsonl'), maxBytes: 1e6, keep: 0 },
  });
}

function start(oversight: Partial<Oversight>): RunnerProcess {
  runner = new RunnerProcess({ path: runnerPath, log: quiet }, { sockets });
  runner.oversee({ maxRssBytes: 1e9, heartbeatMs: 20_000, ...oversight });
  return runner;
}

async function serving(model: string, oversight: Partial<Oversight>): Promise<RunnerProcess> {
  start(oversight).send(await order(model, 'serve'));
  await runner.expect('ready', 20_000);
  runner.send({ type: 'activate' });
  await runner.expect('activated', 5000);
  runner.watch();
  const white = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'white' } })
    .png()
    .toBuffer();
  endFeed = feed(sockets.port('http')!, 's', new Uint8Array(white), 100);
  return runner;
}

// Built by `npm test` before anything is run; a bare `vitest run` on a fresh clone has no runner yet.
describe.skipIf(!existsSync(runnerPath))('a real runner', () => {
  it('whose inference never ends is ended, and the limit is told', async () => {
    const { exited } = await serving('endless', { maxRunMs: 600 });
    await expect(exited).resolves.toMatchObject({
      failure: 'crash',
      outside: false,
      reason: expect.stringMatching(/^an inference ran for \d+\.\d s, the limit is 0\.6 s/),
    });
  });

  it('whose inference takes ever more memory while it serves is ended', async () => {
    const { exited } = await serving('hungry', { maxRssBytes: 500e6 });
    await expect(exited).resolves.toMatchObject({
      failure: 'memory',
      reason: expect.stringMatching(/^the runner holds \d+ MB, its ceiling is 500 MB/),
    });
  });

  it('is ended while it warms up too, long before its preflight would be judged', async () => {
    start({ maxRssBytes: 500e6 }).send(await order('hungry-at-once', 'preflight'));
    await expect(runner.expect('preflighted', 60_000)).rejects.toMatchObject({
      failure: 'memory',
      message: expect.stringMatching(/^the runner holds \d+ MB, its ceiling is 500 MB/),
    });
  });

  it('that would leave the machine too little while it loads is ended, and one that serves already is not', async () => {
    const served = await serving('colour', {});
    served.oversee({ maxRssBytes: 1e9, heartbeatMs: 20_000, minFreeBytes: 1e15 });
    await served.expect('heartbeat', 5000);
    served.end('crash', 'it was seen to live');
    await served.exited;
    start({ minFreeBytes: 1e15 }).send(await order('colour', 'preflight'));
    await expect(runner.expect('preflighted', 20_000)).rejects.toMatchObject({
      failure: 'memory',
      message: expect.stringMatching(/^the machine had \d+ MB of memory left while the runner loaded, 1000000000 MB must remain/),
    });
  });

  it('answers for the memory of the engine that it began as a process', async () => {
    const engine = `const held = Buffer.alloc(400e6, 1); process.stdin.on('end', () => process.exit(held[0])).resume();`;
    const script = join(folder, 'runner.mjs');
    await writeFile(
      script,
      `import { spawn } from 'node:child_process';
       spawn(process.execPath, ['-e', ${JSON.stringify(engine)}], { stdio: ['pipe', 'ignore', 'ignore'] });
       process.on('disconnect', () => process.exit(0));`,
    );
    runner = new RunnerProcess({ path: script, log: quiet });
    runner.oversee({ maxRssBytes: 350e6, heartbeatMs: 20_000 });
    await expect(runner.exited).resolves.toMatchObject({
      failure: 'memory',
      reason: expect.stringContaining('its ceiling is 350 MB'),
    });
  });

  it('is what the kernel ends first for want of memory', async () => {
    const { pid } = start({});
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('500\n');
  });
});
