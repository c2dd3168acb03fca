import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { serveEcho } from '@flotilla/agent/runner/fixtures/binary';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { anywhere } from '@flotilla/agent/runner/fixtures/served';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkout } from '../../support/command-line.js';
import { freePorts } from '../../support/ports.js';
import { serveWrongly } from './fixtures.js';
import type { Report } from './report.js';

const fromSource = [
  '--disable-warning=ExperimentalWarning',
  '--experimental-transform-types',
  '--conditions=flotilla-source',
  '--import',
  './test/support/run-source.mjs',
  'test/conformance/oip/main.ts',
];

type Ended = { code: number; stdout: string; stderr: string };

async function kit(...options: string[]): Promise<Ended> {
  const run = promisify(execFile)(process.execPath, [...fromSource, ...options], { cwd: checkout, maxBuffer: 2 ** 24 });
  return run.then((output) => ({ code: 0, ...output })).catch((error: Ended) => error);
}

const workshop = new Workshop();
let echo: Awaited<ReturnType<typeof serveEcho>>;
beforeAll(async () => {
  echo = await serveEcho(workshop, 'UINT16', { grpc: anywhere });
});
afterAll(async () => {
  await echo.slot.close();
  await workshop.clear();
});

test('a server that conforms: both halves in one table, exit code 0', async () => {
  const { code, stdout } = await kit(
    '--url',
    echo.slot.base,
    '--grpc',
    `127.0.0.1:${echo.slot.ports.grpc}`,
    '--model',
    'inspection',
  );
  expect({ code, last: stdout.trimEnd().split('\n').at(-1) }).toMatchObject({
    code: 0,
    last: expect.stringMatching(/^\d+ passed, 0 failed/),
  });
  expect(stdout).toMatch(/^pass {2}MUST {4}rest\.infer\.json /m);
  expect(stdout).toMatch(/^pass {2}MUST {4}grpc\.infer\.raw /m);
  expect(stdout).toMatch(/^skip {2}MUST {4}grpc\.infer\.raw\.BOOL .*the model has no BOOL input/m);
});

test('a server that does not: what failed as JSON, exit code 1', async () => {
  const wrong = await serveWrongly();
  const { code, stdout } = await kit('--url', wrong.url, '--model', 'broken', '--json');
  await wrong.close();
  const { failedMust, checks } = JSON.parse(stdout) as Report;
  expect(code).toBe(1);
  expect(failedMust).toBe(checks.filter(({ level, result }) => level === 'MUST' && result === 'fail').length);
  expect(failedMust).toBeGreaterThan(0);
});

test('no server: a sentence, exit code 69', async () => {
  const [port] = await freePorts(1);
  const { code, stderr } = await kit('--url', `http://127.0.0.1:${port}`, '--model', 'x');
  expect({ code, stderr }).toEqual({
    code: 69,
    stderr: expect.stringContaining("the server can't be tested: connect ECONNREFUSED"),
  });
});

test('a command that is not understood: what is, exit code 64', async () => {
  expect(await kit()).toMatchObject({ code: 64, stderr: expect.stringContaining('--grpc HOST:PORT') });
  expect(await kit('--url', 'http://x', '--shape', 'images')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('is not INPUT=1x3x320x320'),
  });
});
