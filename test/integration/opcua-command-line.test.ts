import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { aLog, eventually } from '@flotilla/agent/fixtures/eventually';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { openOpcUa } from '@flotilla/agent/gateway/outputs/opcua/opcua';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { OpcUaOutput } from '@flotilla/protocol';
import { OPCUAClient } from 'node-opcua';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeWith, nodeOpcUaModules } from '../support/required.js';
import { Typed } from '../support/typed.js';

const samples = join(nodeOpcUaModules, 'node-opcua-samples', 'bin');

describeWith('node-opcua', "node-opcua's own command-line clients", () => {
  const folders = new Folders();
  const log = aLog();
  const clients: Typed[] = [];
  let press: FedPort;
  let output: ReturnType<typeof openOpcUa>;
  let folder: string;
  let url: string;

  beforeAll(async () => {
    await makeTheirCertificate();
    folder = await folders.make({ 'line-password': 'right\n' });
    const port = await freePort();
    url = `opc.tcp://127.0.0.1:${port}`;
    press = new FedPort('press', { trigger: { timeoutMs: 10_000, acknowledgeMs: 60_000 } });
    press.tell({ release: 'weld@1.2.0' });
    const users = [{ name: 'line', passwordFile: join(folder, 'line-password') }];
    const settings = OpcUaOutput.parse({ port, security: 'none', users, anonymous: 'trigger' });
    output = openOpcUa({ settings, slots: [{ port: press.port, settings }], device: 'cell-1', folder, log });
    output.start();
    await eventually(() => output.status.state === 'running');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.stop();
  });
  afterAll(async () => {
    await output.stop('shutdown');
    press.port.close();
    await folders.clear();
  });

  async function run(script: string, ...args: string[]): Promise<Typed> {
    const client = new Typed(process.execPath, [join(samples, script), ...args], await folders.make());
    clients.push(client);
    return client;
  }
  const sees = (label: string, score: number, capturedAt = Date.now()) =>
    press.publish({ top: [{ label, index: 1, score }] }, capturedAt);

  it('browses, reads and reads the history', async () => {
    const from = Date.now() - 1000;
    for (let turn = 1; turn <= 5; turn++) sees(`part-${turn}`, turn / 8, from + turn);
    const client = await run('interactive_client.js');
    await client.types(`open ${url}`, /client connected : +OK/);
    await client.types('cs', /session created/);
    expect(await client.types('b ns=2;s=press', /Inspect/)).toMatch(/Class.*->.*ns=2;s=press\/Class/);
    expect(await client.types('r ns=2;s=press/Class', /sourceTimestamp/)).toContain('value:  part-5');
    const history = await client.types('hr ns=2;s=press/Confidence 1minute', /0\.625/);
    for (let turn = 1; turn <= 5; turn++) expect(history).toContain(`${turn / 8} `);
  });

  it('is let in when its certificate was moved, and then told of changes', async () => {
    const user = ['-u', 'line', '-p', 'right'];
    const secure = ['-e', url, '-n', 'ns=2;s=press/Class', '-s', 'SignAndEncrypt', '-P', 'Basic256Sha256', ...user];
    const refused = await run('simple_client.js', ...secure);
    await eventually(() => log.lines.some(({ message }) => message.startsWith('a client is not trusted')));
    expect(refused.said).not.toContain('session created');
    await refused.stop();
    const pki = join(folder, 'pki');
    const [rejected] = await readdir(join(pki, 'rejected'));
    await rename(join(pki, 'rejected', rejected!), join(pki, 'trusted', 'certs', rejected!));
    const client = await run('simple_client.js', ...secure);
    await client.says(/value has changed to Variant\(Scalar<String>, value: part-5\)/);
    sees('crack', 0.9);
    await client.says(/value has changed to Variant\(Scalar<String>, value: crack\)/);
  });

  // None of the two has a command for it: this is the library that both are made of.
  it('inspects by the method', async () => {
    const client = OPCUAClient.create({ endpointMustExist: false });
    await client.withSessionAsync(url, async (session) => {
      const [objectId, methodId] = ['ns=2;s=press', 'ns=2;s=press/Inspect'];
      const inspection = session.call({ objectId, methodId, inputArguments: [{ dataType: 'String', value: 'part-7' }] });
      await eventually(() => press.inspections!.handshake.state === 'busy');
      press.inspect({ top: [{ label: 'good', index: 0, score: 0.9 }] });
      const { statusCode, outputArguments } = await inspection;
      expect(statusCode.name).toBe('Good');
      expect(outputArguments!.slice(0, 4).map(({ value }) => value)).toEqual(['part-7', 1, 'done', 'good']);
    });
  });
});

/** Where the library that they were published with looks for it. */
async function makeTheirCertificate(): Promise<void> {
  const certificates = join(nodeOpcUaModules, 'node-opcua-client', 'certificates');
  const keys = join(certificates, 'PKI', 'own', 'private');
  await mkdir(keys, { recursive: true });
  const usage = 'keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign';
  const names = ['subjectAltName=URI:urn:test:NodeOPCUA-Client', usage, 'extendedKeyUsage=clientAuth'];
  const extensions = names.flatMap((name) => ['-addext', name]);
  const files = ['-keyout', join(keys, 'private_key.pem'), '-out', join(certificates, 'client_selfsigned_cert_2048.pem')];
  const whose = ['-nodes', '-days', '30', '-subj', '/CN=NodeOPCUA-Client'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...whose, ...files, ...extensions], { stdio: 'pipe' });
}
