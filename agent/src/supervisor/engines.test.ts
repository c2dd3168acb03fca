import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { DeploymentId, Digest, SlotName } from '@flotilla/protocol/device';
import { DeviceEngines, engineEnvironment, type EngineEntry, gpuEngineOf, type ProbedEngine, probeEngines } from './engines.js';
import { EngineCache } from './engine-cache.js';
import { ArtifactServer } from './fixtures/artifact-server.js';
import { aManifest, quiet, temporaryFolder, until } from './fixtures/fleet-of-one.js';
import { detectHardware } from './hardware.js';
import { RunnerProcess } from './runner-process.js';

const program = fileURLToPath(new URL('../engine-protocol/fixtures/small-engine.mjs', import.meta.url));
const runnerPath = fileURLToPath(new URL('../../dist/runner/main.js', import.meta.url));
const small = (overrides: Partial<EngineEntry> = {}): EngineEntry => ({
  name: 'small',
  command: [process.execPath, program],
  env: {},
  ...overrides,
});

describe('a probe', () => {
  it('asks each engine what it has, and says of those that cannot be used why', async () => {
    const broken = small({ name: 'broken', env: { FAULT: 'other-protocol' } });
    const gone = small({ name: 'gone', command: ['/nowhere/engine'] });
    const [well, ...ill] = await probeEngines([small(), broken, gone], process.env, quiet);
    expect(well).toMatchObject({ hello: { engine: { name: 'small' }, providers: ['cpu'] } });
    expect(well!.note).toMatch(/^Engine "small" \(node [\d.]+\) has cpu$/);
    expect(ill.map(({ hello, note }) => [hello, note])).toEqual([
      [undefined, 'Engine "broken" cannot be used: engine "broken" speaks protocol 2, this side speaks 1'],
      [undefined, expect.stringContaining('Engine "gone" cannot be used: engine "gone" could not be started')],
    ]);
  });
});

const probed = (entry: EngineEntry, providers?: ('cpu' | 'cuda' | 'tensorrt')[]): ProbedEngine => ({
  entry,
  note: `Engine "${entry.name}"`,
  ...(providers && {
    hello: {
      type: 'hello',
      id: 0,
      protocol: 1,
      engine: { name: 'e', version: '1' },
      runtime: { name: 'ort', version: '1.23.0' },
      providers,
    },
  }),
});

describe('what engines give to a device', () => {
  it('is their GPU providers, for the profile, the hardware class and the notes', () => {
    const { providers, hardwareClass, notes } = detectHardware(
      'jetson-orin-nano',
      { a: {} },
      { agent: '0.1.0', onnxRuntime: '1.30.0' },
      [probed(small(), ['cuda', 'cpu'])],
    );
    expect(providers).toEqual(['cuda', 'cpu']);
    expect(hardwareClass).toMatch(/\/cuda-1\.23\.0$/);
    expect(notes).toContain('Engine "small"');
    expect(detectHardware('jetson-orin-nano', { a: {} }, { agent: '0.1.0', onnxRuntime: '1.30.0' }).providers).toEqual(['cpu']);
  });

  it('leaves out what an entry keeps an engine from', () => {
    expect(gpuEngineOf([probed(small({ providers: ['cuda'] }), ['tensorrt', 'cuda', 'cpu'])])?.providers).toEqual(['cuda']);
    expect(gpuEngineOf([probed(small(), ['cpu']), probed(small())])).toBeUndefined();
  });

  it('decides who computes a variant', () => {
    const engines = new DeviceEngines([probed(small({ env: { A: 'b' } }), ['cuda', 'cpu'])], ['cuda', 'cpu']);
    expect(engines.for({ providers: ['cpu'] })).toEqual({ providers: ['cpu'] });
    // Several networks lie together in the engine inside of the runner.
    expect(engines.for({ providers: ['cuda', 'cpu'], files: { find: 'a.onnx' } }).engine).toBeUndefined();
    const { engine, providers } = engines.for({ providers: ['cuda'] });
    expect([engine, providers]).toEqual([{ name: 'small', command: [process.execPath, program], env: { A: 'b' } }, ['cuda']]);
  });
});

describe('what an engine compiled', () => {
  it('is kept as long as its release', async () => {
    const [one, two] = [Digest.parse('1'.repeat(64)), Digest.parse('2'.repeat(64))];
    const kept = new Set([one]);
    const folder = await temporaryFolder();
    const cache = new EngineCache(folder, () => kept);
    cache.for(one);
    expect(readdirSync(cache.for(two))).toEqual([]);
    expect(readdirSync(folder).toSorted()).toEqual([one, two]);
    cache.for(one);
    expect(readdirSync(folder)).toEqual([one]);
    rmSync(folder, { recursive: true });
  });
});

describe.skipIf(process.platform !== 'linux')('an engine that hangs', () => {
  let server: ArtifactServer;
  afterEach(() => server.stop());

  it('goes with its runner', async () => {
    server = await ArtifactServer.start();
    const engine = { name: 'small', command: [process.execPath, program], env: { FAULT: 'hangs' } };
    const lines: string[] = [];
    const log = { ...quiet, info: (_: object, message: string) => lines.push(message) };
    const runner = new RunnerProcess({ path: runnerPath, env: { ...process.env, ...engineEnvironment(engine) }, log });
    runner.send({
      type: 'preflight',
      slot: SlotName.parse('s'),
      deployment: DeploymentId.parse('00000000-0000-4000-8000-000000000001'),
      digest: Digest.parse('a'.repeat(64)),
      manifest: aManifest(server, { 'a.onnx': 'a' }),
      folder: '/nowhere',
      variant: 'a.onnx',
      maxComputeMs: 100,
      maxRssBytes: 1e9,
      intraOpThreads: 1,
    });
    const itsChildren = () => readFileSync(`/proc/${runner.pid}/task/${runner.pid}/children`, 'utf8').trim();
    await until(
      () => itsChildren() !== '' && cpuTicks(itsChildren()) > 20,
      () => `no engine computes: ${lines.join('; ')}`,
    );
    const pid = itsChildren();
    runner.end('crash', 'the test is over');
    await runner.exited;
    await until(
      () => !isAlive(pid),
      () => `engine ${pid} lives on`,
    );
  });
});

/** After its name, which may hold anything: state is the first field, user time the twelfth. */
const statOf = (pid: string) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
const cpuTicks = (pid: string) => Number(statOf(pid)[11]);
function isAlive(pid: string): boolean {
  try {
    return statOf(pid)[0] !== 'Z';
  } catch {
    return false;
  }
}
