import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { decodePayload, encodeClaimToken, encodePayload, parseUpTopic, sha256 } from '@flotilla/protocol/device';
import { Aedes } from 'aedes';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { aDirector } from './fixtures/director.js';
import { aFleetCa, x509 } from '../fixtures/fleet-ca.js';
import { sourceHook } from './fixtures/source-hook.js';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const within = { timeout: 30_000, interval: 20 };
let folder: string;
let token: string;
const up: { kind: string; device: string; message: Record<string, unknown> }[] = [];
const closing: (() => void)[] = [];
const running = new Set<ReturnType<typeof agent>>();

/** A control plane in small: enrols anybody, welcomes everybody, acknowledges nothing. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'supervisor-'));
  const [fleet, { directorKey }] = await Promise.all([aFleetCa('fleet'), aDirector()]);
  const broker = await Aedes.createBroker();
  broker.on('publish', (packet, client) => {
    const topic = client && parseUpTopic(packet.topic);
    if (!topic) return;
    const { kind, device } = topic;
    const message = decodePayload(Buffer.from(packet.payload)) as Record<string, unknown>;
    up.push({ kind, device, message });
    if (kind !== 'birth') return;
    const welcome = { v: 1, stream: message['stream'], session: 7, epoch: 0, serverTime: Date.now(), next: 0 };
    const reply = { topic: packet.topic.replace('up/birth', 'dn/welcome'), payload: encodePayload(welcome) };
    broker.publish({ cmd: 'publish', qos: 1, retain: false, dup: false, ...reply }, () => {});
  });
  const mtls = { ...fleet.tls, ca: fleet.ca.toString('pem'), requestCert: true };
  const mqtts = createTlsServer({ ...mtls, rejectUnauthorized: true }, (socket: TLSSocket) => broker.handle(socket)).listen(
    0,
    '127.0.0.1',
  );
  const api = createHttpsServer({ ...mtls, rejectUnauthorized: false }, (request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { csr, name } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { csr: string; name: string };
      const issued = await fleet.issue(new x509.Pkcs10CertificateRequest(csr).publicKey, `CN=${name}`, []);
      const urls = { mqttUrl: `mqtts://127.0.0.1:${port(mqtts)}`, deviceApiUrl: `https://127.0.0.1:${port(api)}` };
      const certificates = { certificate: issued.toString('pem'), ca: fleet.ca.toString('pem') };
      response.end(JSON.stringify({ v: 1, tenant: 'default', device: name, directorKey, ...certificates, ...urls }));
    })();
  }).listen(0, '127.0.0.1');
  const port = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
  await Promise.all([once(mqtts, 'listening'), once(api, 'listening')]);
  token = encodeClaimToken({
    server: `https://127.0.0.1:${port(api)}`,
    ca: sha256(Buffer.from(fleet.ca.rawData)),
    secret: 's'.repeat(22),
  });
  closing.push(
    () => api.close(),
    () => mqtts.close(),
    () => broker.close(),
  );
});
afterEach(async () => {
  for (const each of running) each.process.kill('SIGKILL');
  for (const each of running) await each.ended;
  running.clear();
});
afterAll(() => {
  for (const close of closing) close();
  rmSync(folder, { recursive: true });
});

function configFile(name: string): string {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `data: ${name}-data\nname: ${name}\nslots: { inspection: { listen: { http: "127.0.0.1:0" } } }\n`);
  return file;
}

/** The real program, from its sources, in a process of its own. */
function agent(args: readonly string[], env: Record<string, string> = {}) {
  const flags = ['--experimental-transform-types', '--no-warnings', '--conditions=flotilla-source', '--import', sourceHook];
  const child = spawn(process.execPath, [...flags, main, ...args], { env: { PATH: process.env['PATH'], ...env }, stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, output }));
  const started = { process: child, ended, output: () => output };
  running.add(started);
  return started;
}
const of = (device: string, kind: string) =>
  up.filter((sent) => sent.device === device && sent.kind === kind).map(({ message }) => message);

describe('flotilla-agent', { timeout: 120_000 }, () => {
  it('enrols by its token, is welcomed over mTLS, and says goodbye within two seconds of SIGTERM', async () => {
    const { process: child, ended } = agent(['run', '--config', configFile('press-1')], { FLOTILLA_CLAIM_TOKEN: token });
    await vi.waitFor(
      () => expect(of('press-1', 'birth')[0]).toMatchObject({ session: 0, slots: [{ slot: 'inspection', state: 'idle' }] }),
      within,
    );
    await vi.waitFor(
      () => expect(JSON.parse(readFileSync(join(folder, 'press-1-data', 'session.json'), 'utf8'))).toEqual({ v: 1, session: 7 }),
      within,
    );
    const asked = performance.now();
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
    // Promised for a device of its own; this machine is shared with other tests.
    expect(performance.now() - asked).toBeLessThan(6000);
    await vi.waitFor(
      () => expect(of('press-1', 'presence')).toEqual([expect.objectContaining({ session: 7, reason: 'goodbye' })]),
      within,
    );
  });

  it('takes the token from standard input, for a user that may not read the file', async () => {
    const { process: child, ended } = agent(['enrol', '--config', configFile('press-0'), '--token-file', '-']);
    child.stdin.end(`${token}\n`);
    expect(await ended).toEqual({ code: 0, output: 'Enrolled as press-0.\n' });
  });

  it('needs the token once, and ends when its parent goes', async () => {
    const config = configFile('press-2');
    const file = join(folder, 'token');
    writeFileSync(file, `${token}\n`);
    expect(await agent(['enrol', '--config', config, '--token-file', file]).ended).toEqual({
      code: 0,
      output: 'Enrolled as press-2.\n',
    });
    expect(await agent(['enrol', '--config', config]).ended).toEqual({
      code: 0,
      output: 'This device is enrolled already, as press-2.\n',
    });
    const { process: child, ended } = agent(['run', '--config', config, '--exit-with-parent']);
    await vi.waitFor(() => expect(of('press-2', 'birth')).toHaveLength(1), within);
    const second = await agent(['run', '--config', config]).ended;
    expect(second).toEqual({
      code: 73,
      output: expect.stringMatching(/^The data folder .*press-2-data is in use by another flotilla-agent: .*\n$/),
    });
    expect((await agent(['status', '--config', config]).ended).output).toMatch(/running +yes\nenrolled +as press-2 at https/);
    child.stdin.end();
    expect(await ended).toMatchObject({ code: 0 });
  });

  it.each<[string, number, RegExp, (config: string) => Parameters<typeof agent>]>([
    [
      'without enrolment or token',
      78,
      /^This device is not enrolled: make a claim token with .*\n$/,
      (c) => [['run', '--config', c]],
    ],
    [
      'with half a token',
      78,
      /^The claim token cannot be used: not a claim token: .*\n$/,
      (c) => [['enrol', '--config', c, '--token', token.slice(0, 40)]],
    ],
    [
      'with a token for a server that is not there',
      69,
      /^Cannot reach https:.*\n$/,
      (c) => [
        [
          'enrol',
          '--config',
          c,
          '--token',
          encodeClaimToken({ server: 'https://127.0.0.1:1', ca: sha256(''), secret: 's'.repeat(22) }),
        ],
      ],
    ],
    [
      'with a token for another server than configured',
      78,
      /^The claim token is for https:.* make them agree\.\n$/,
      (c) => [['enrol', '--config', c, '--token', token], { FLOTILLA_SERVER: 'https://elsewhere:1' }],
    ],
    [
      'as a board that nobody knows',
      78,
      /^profile: "toaster" is not known; known are generic-arm64, .*\n$/,
      (c) => [['run', '--config', c], { FLOTILLA_PROFILE: 'toaster' }],
    ],
    [
      'with data on a file',
      73,
      /^The data folder .* has a file in its place, .*\n$/,
      (c) => [['run', '--config', c], { FLOTILLA_DATA: c }],
    ],
  ])('%s ends with code %i and one sentence', async (what, code, sentence, call) => {
    const { code: actual, output } = await agent(...call(configFile(`start-${what.replaceAll(/\W/g, '-')}`))).ended;
    expect(output).toMatch(sentence);
    expect(actual).toBe(code);
  });
});
