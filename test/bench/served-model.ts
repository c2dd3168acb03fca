import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FromRunner } from '@flotilla/agent/runner-protocol';
import { type Log, RunnerProcess } from '@flotilla/agent/supervisor/runner-process';
import { SlotSockets } from '@flotilla/agent/supervisor/slot-sockets';
import { canonicalJson, DeploymentId, type Digest, Manifest, sha256, SlotName } from '@flotilla/protocol';
import { agentFile } from '../support/agent-files.js';
import type { ModelUnderTest } from './models.js';
import type { Target } from './transports/transport.js';

export const benchSlot = SlotName.parse('bench');
export const deployment = DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10');

/** A release of nothing but a model, in a folder of its own. */
export type BenchRelease = { manifest: Manifest; digest: Digest; folder: string; variant: string; remove: () => Promise<void> };

export async function releaseOf(model: ModelUnderTest, overrides: Record<string, unknown> = {}): Promise<BenchRelease> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
  await writeFile(join(folder, 'labels.txt'), 'face\n');
  const variant = 'model.onnx';
  await copyFile(model.path, join(folder, variant));
  const bytes = await readFile(model.path);
  const manifest = Manifest.parse({
    v: 1,
    model: model.name,
    version: '1.0.0',
    inputs: model.inputs,
    outputs: model.outputs,
    variants: [{ file: variant, precision: 'fp32', providers: ['cpu'] }],
    files: [{ path: variant, sha256: sha256(bytes), size: bytes.length }],
    ...overrides,
  });
  const digest = sha256(canonicalJson(manifest));
  return { manifest, digest, folder, variant, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Warnings are the bench's business, the rest is not. */
export const quietLog = (log: (line: string) => void): Log => ({
  debug: () => undefined,
  info: () => undefined,
  warn: (_fields, message) => log(message),
  error: (_fields, message) => log(message),
});

export const runnerProgram = (log: (line: string) => void) => ({
  path: agentFile('bin/flotilla-runner.js'),
  stubPath: agentFile('dist/runner/stub-main.js'),
  log: quietLog(log),
});

export const limits = { maxComputeMs: 60_000, maxRssBytes: 4e9, intraOpThreads: 1 };

/** Where a slot is reached over each transport. */
export type Targets = { rest: Target; grpc: Target; unix: Target };
export type ServedModel = { pid: number; targets: Targets; release: BenchRelease; end: () => Promise<void> };

/** On free ports, and on a UNIX socket in `folder`. */
export async function bindAll(folder: string): Promise<{ sockets: SlotSockets; targets: Targets }> {
  const path = join(folder, 's');
  const anywhere = { host: '127.0.0.1', port: 0 };
  const sockets = await SlotSockets.bind(benchSlot, { http: anywhere, grpc: anywhere, unix: path });
  return { sockets, targets: { rest: { port: sockets.port('http')! }, grpc: { port: sockets.port('grpc')! }, unix: { path } } };
}

/** `files`: beside the model. */
export type Otherwise = {
  path?: string;
  env?: NodeJS.ProcessEnv;
  files?: Readonly<Record<string, string>>;
  windowS?: number;
  onWindow?: (window: Extract<FromRunner, { type: 'window' }>['window']) => void;
};

/** The runner's own program, started and told what to do as a supervisor does. */
export async function serveModel(
  model: ModelUnderTest,
  log: (line: string) => void,
  overrides: Record<string, unknown> = {},
  { path, env, files = {}, windowS = 10, onWindow }: Otherwise = {},
): Promise<ServedModel> {
  const release = await releaseOf(model, overrides);
  const { manifest, digest, folder, variant } = release;
  const { sockets, targets } = await bindAll(folder);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const usual = runnerProgram(log);
  const runner = new RunnerProcess(
    { ...usual, path: path ?? usual.path, ...(env && { env: { ...process.env, ...env } }) },
    { sockets },
  );
  if (onWindow) runner.oversee({ ...limits, heartbeatMs: 60_000, onWindow: ({ window }) => onWindow(window) });
  const predictions = { file: join(folder, 'predictions.jsonl'), maxBytes: 1e6, keep: 1 };
  const served = { slot: benchSlot, deployment, digest, manifest, folder, variant };
  const end = async () => {
    await runner.drain(1000);
    sockets.close();
    await release.remove();
  };
  try {
    runner.send({ type: 'serve', ...served, ...limits, listen: sockets.listen, slots: [], windowS, predictions });
    await runner.expect('ready', 60_000);
    runner.send({ type: 'activate' });
    await runner.expect('activated', 10_000);
  } catch (error) {
    await end();
    throw error;
  }
  return { pid: runner.pid!, targets, release, end };
}
