import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aLog, eventually } from '@flotilla/agent/fixtures/eventually';
import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { openOutput } from '@flotilla/agent/gateway/outputs/open';
import type { Output } from '@flotilla/agent/gateway/outputs/output';
import type { BrokerSettings } from '@flotilla/agent/device-broker';
import { BrokerProcess } from '@flotilla/agent/supervisor/broker-process';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { MqttOutput } from '@flotilla/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { agentFile } from '../support/agent-files.js';
import { describeWith } from '../support/required.js';

const topic = 'flotilla/press-1/inspection';

describeWith('mosquitto', "the device's own broker", () => {
  const open: (() => unknown)[] = [];
  const alarms: string[] = [];
  let [folder, port] = ['', 0];
  let broker: BrokerProcess;
  let log: ReturnType<typeof aLog>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-broker-'));
    port = await freePort();
    log = aLog();
    alarms.length = 0;
  });
  afterEach(async () => {
    for (const close of open.splice(0).toReversed()) await close();
    await rm(folder, { recursive: true });
  });

  function begun(more: Partial<BrokerSettings> = {}): void {
    const settings = { listen: { host: '127.0.0.1', port }, users: [], maxClients: 4, ...more };
    const path = agentFile('dist/broker/main.js');
    const onAlarm = (_name: string, message: string) => void alarms.push(message);
    broker = new BrokerProcess({ path, log, settings, onAlarm, random: () => 0.1 });
    open.push(() => broker.stop());
    broker.start();
  }
  async function begin(more: Partial<BrokerSettings> = {}): Promise<void> {
    begun(more);
    await eventually(() => listenings() === 1);
  }
  const countOf = (text: string) => log.lines.filter(({ message }) => message.includes(text)).length;
  const listenings = () => countOf('broker listens');
  const refused = () => JSON.stringify(log.lines.filter(({ message }) => message.includes('refused or dropped')));

  async function anOutput(fed: FedPort, more: object = {}): Promise<Output> {
    const settings = MqttOutput.parse({ url: `mqtt://127.0.0.1:${port}`, ...more });
    const slots = [{ port: fed.port, settings }];
    const output = await openOutput('mqtt', { settings, slots, device: 'press-1', folder, log });
    output.start();
    open.push(
      () => output.stop(),
      () => fed.port.close(),
    );
    await eventually(() => output.status.state === 'running' && output.status.queued === 0);
    return output;
  }

  const arguments_ = (more: readonly string[]) => ['-h', '127.0.0.1', '-p', String(port), ...more];
  /** What it says until it has heard `count` messages. */
  const mosquittoSub = (count: number, ...more: string[]) =>
    spawnSync('mosquitto_sub', arguments_(['-C', String(count), '-W', '15', ...more]), { encoding: 'utf8' });
  const mosquittoPub = (...more: string[]) => spawnSync('mosquitto_pub', arguments_(more), { encoding: 'utf8' });

  it('keeps the latest reading for mosquitto_sub, also when it was begun anew', async () => {
    await begin();
    const fed = new FedPort();
    const output = await anOutput(fed);
    fed.publish();
    await eventually(() => output.status.queued === 0 && (output.status.sent ?? 0) > 1);
    expect(JSON.parse(mosquittoSub(1, '-t', topic).stdout)).toMatchObject({ slot: 'inspection', quality: 'good' });
    process.kill(broker.pid!, 'SIGKILL');
    await eventually(() => listenings() === 2);
    expect(alarms[0]).toContain('SIGKILL');
    // What was retained is published again by whoever it was of.
    await eventually(() => countOf('the broker is reached') === 2 && output.status.queued === 0);
    const again = mosquittoSub(2, '-t', `${topic}/#`);
    expect(again.stdout).toContain('"state":"online"');
    expect(again.stdout).toContain('"quality":"good"');
  });

  it('knows users by their passwords, and who of them may only read', async () => {
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'secret');
    await begin({
      users: [
        { name: 'gateway', passwordFile, may: 'write' },
        { name: 'scada', passwordFile, may: 'read' },
      ],
    });
    await anOutput(new FedPort(), { username: 'gateway', passwordFile });
    expect(mosquittoSub(1, '-t', topic, '-u', 'scada', '-P', 'secret').stdout).toContain('"slot":"inspection"');
    expect(mosquittoSub(1, '-t', topic).status).toBe(4);
    expect(mosquittoSub(1, '-t', topic, '-u', 'scada', '-P', 'guess').status).toBe(4);
    expect(mosquittoPub('-t', 'x', '-m', 'y', '-q', '1', '-u', 'scada', '-P', 'secret').status).not.toBe(0);
    await eventually(() => refused().includes('this user may read only'));
  });

  it('speaks TLS where it has a certificate', async () => {
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const names = ['-subj', '/CN=press-1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    spawnSync('openssl', [...request, ...names, '-keyout', keyFile, '-out', certFile]);
    await begin({ tls: { certFile, keyFile } });
    expect(mosquittoPub('--cafile', certFile, '-t', 'a', '-m', 'hello', '-r', '-q', '1').status).toBe(0);
    expect(mosquittoSub(1, '--cafile', certFile, '-t', 'a').stdout).toBe('hello\n');
  });

  it('drops what is larger than it takes, and clients beyond its number; others go on', async () => {
    await begin();
    const reader: ChildProcess = spawn('mosquitto_sub', arguments_(['-t', 'a', '-C', '1', '-W', '20', '-q', '1']));
    let heard = '';
    reader.stdout!.on('data', (text: Buffer) => (heard += text.toString()));
    open.push(() => reader.kill('SIGKILL'));
    await writeFile(join(folder, 'large'), Buffer.alloc(2 * 2 ** 20));
    expect(mosquittoPub('-t', 'large', '-f', join(folder, 'large'), '-q', '1').status).not.toBe(0);
    await eventually(() => refused().includes('oversize'));
    const idle = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    open.push(() => idle.forEach((socket) => socket.destroy()));
    await eventually(() => refused().includes('too many clients'));
    for (const socket of idle) socket.destroy();
    await eventually(() => mosquittoPub('-t', 'a', '-m', 'still', '-q', '1').status === 0 && heard === 'still\n');
  });

  it('says what is in its way, and comes when that is gone', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    begun();
    await eventually(() => alarms.length > 0);
    expect(alarms[0]).toContain(`another program has 127.0.0.1:${port}`);
    other.close();
    await eventually(() => listenings() === 1);
  });
});
