import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const built = (module: string) => fileURLToPath(new URL(`../dist/${module}.js`, import.meta.url));
const { dependencies } = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')));

/** For `node --import`: says at the end of its thread which files were loaded in it. */
const recorder = `data:text/javascript,${encodeURIComponent(`import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
process.on('exit', () => writeSync(1, JSON.stringify(loaded)));`)}`;

const node = (options: readonly string[], code: string) =>
  JSON.parse(execFileSync(process.execPath, [...options, '--input-type=module', '-e', code], { encoding: 'utf8' })) as string[];

const loadedBy = (...modules: string[]) =>
  node(['--import', recorder], `for (const file of ${JSON.stringify(modules.map(built))}) await import(file); process.exit();`);

/** The outbox's thread, from its start to its end. */
const loadedByThread = () => {
  const workerData = { file: ':memory:', thumbprint: 'x', limits: { maxBytes: 1e6, maxAgeS: 1e6 }, unwrittenS: 30 };
  const options = JSON.stringify({ workerData, execArgv: ['--import', recorder] });
  return node(
    [],
    `import { Worker } from 'node:worker_threads';
    const worker = new Worker(${JSON.stringify(built('supervisor/outbox-worker'))}, ${options});
    worker.postMessage({ type: 'order', id: 1, order: { do: 'close' } });`,
  );
};

/** Those that the agent names: what they need themselves is theirs. */
const dependenciesIn = (loaded: readonly string[]) =>
  Object.keys(dependencies).filter((name) => {
    const folder = name.startsWith('@flotilla/') ? name.replace('@flotilla', '') : `/node_modules/${name}`;
    return loaded.some((url) => url.includes(`${folder}/`));
  });

// What a process holds for its whole life costs a device memory, and each of its starts time: docs/decisions/0008-a-light-supervisor.md.
describe.skipIf(!existsSync(built('supervisor/run')))('what a process of the agent loads', () => {
  it('is, in the supervisor, what it works with all the time', () =>
    expect(dependenciesIn(loadedBy('jitless-schemas', 'supervisor/command-line', 'supervisor/run')).toSorted()).toEqual([
      '@flotilla/firmware-profiles',
      '@flotilla/protocol',
      'commander',
      'jose',
      'mqtt',
      'pino',
      'semver',
      'yaml',
      'zod',
    ]));

  it('is nothing but its own files in the thread of the outbox', () => {
    const loaded = loadedByThread().filter((url) => url.startsWith('file:'));
    expect(loaded.length).toBeGreaterThan(5);
    expect(loaded.filter((url) => !url.includes('/agent/dist/'))).toEqual([]);
  });

  it.each(['supervisor/run', 'runner/program', 'gateway/program'])(
    'is, with %s, not what operators say to the control plane',
    (module) => {
      const ofProtocol = loadedBy(module).filter((url) => url.includes('/protocol/dist/'));
      expect(ofProtocol.length).toBeGreaterThan(5);
      expect(ofProtocol.filter((url) => /\/(index|operator-api|plan|api)\.js$/.test(url))).toEqual([]);
    },
  );
});
