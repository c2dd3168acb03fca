import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '@flotilla/control-plane/cli/client';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import { DeviceConfigurationView, TokenView } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { models } from '../local-fleet/fleet.js';
import { agentFile } from '../support/agent-files.js';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { modbusRead } from '../support/modbus-read.js';
import { freePorts } from '../support/ports.js';
import { until } from '../support/until.js';

const Source = z.looseObject({ directory: z.string(), from: z.string() });
const InForce = z.object({ slots: z.array(z.object({ slot: z.string(), source: Source.optional() })) });
const Outputs = z.object({ outputs: z.array(z.object({ kind: z.string(), state: z.string() })) });
const run = promisify(execFile);
const program = agentFile('bin/flotilla-agent.js');

/** A real control plane, and a real agent with its gateway. */
describe('a device that is configured from afar', { timeout: 120_000 }, () => {
  let cp: TestControlPlane;
  let folder: string;
  let port: number;
  let agent: ChildProcess | undefined;
  let token: string;

  beforeAll(async () => {
    cp = await aControlPlane();
    folder = await mkdtemp(join(tmpdir(), 'flotilla-remote-'));
    for (const name of ['own', 'open', 'open/a', 'open/b', 'closed']) await mkdir(join(folder, name));
    [port] = (await freePorts(1)) as [number];
    token = TokenView.parse((await cp.api('POST', 'tokens', { name: 'press', labels: { site: 'lyon' } })).body).token;
    await cp.api('POST', 'groups', { name: 'lyon', selector: 'site=lyon' });
    await configure(['open']);
    agent = start();
    await until(async () => (await cp.api('GET', 'devices/press')).body.online === true, 'the device is online', 60_000);
  }, 120_000);
  afterEach(() => expect(agent?.exitCode ?? null).toBeNull());
  afterAll(async () => {
    await stop();
    await cp?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 30_000);

  /** Writes agent.yaml. */
  const configure = (folders: string[] | 'refuse') =>
    writeFile(
      join(folder, 'agent.yaml'),
      stringify({
        data: 'data',
        name: 'press',
        gateway: { listen: { http: `127.0.0.1:${port}` } },
        slots: { inspection: { listen: { http: '127.0.0.1:0' }, source: { directory: 'own' } } },
        remoteConfiguration: folders === 'refuse' ? 'refuse' : { folders },
      }),
    );

  const start = () => {
    const env = { PATH: process.env['PATH'], FLOTILLA_CLAIM_TOKEN: token };
    const args = [program, 'run', '--config', join(folder, 'agent.yaml'), '--exit-with-parent'];
    return spawn(process.execPath, args, { env, stdio: ['pipe', 'ignore', 'inherit'] });
  };
  const stop = async () => {
    if (!agent || agent.exitCode !== null) return;
    const gone = once(agent, 'exit');
    agent.kill('SIGTERM');
    await gone;
    agent = undefined;
  };

  const push = async (directory: string, outputs?: object, then: 'keep' | 'repeat' = 'keep') => {
    const slots = { inspection: { source: { directory, then }, ...(outputs ? { outputs } : {}) } };
    const file = { apiVersion: 'flotilla/v1', kind: 'Configuration', group: 'lyon', slots };
    expect((await cp.api('POST', 'configurations', file)).body).toMatchObject({ changed: true, devices: 1, notes: [] });
  };
  const shown = async () => DeviceConfigurationView.parse((await cp.api('GET', 'devices/press/configuration')).body);
  const inState = (state: DeviceConfigurationView['state']) =>
    until(async () => (await shown()).state === state, `the device's configuration is ${state}`, 60_000);
  /** The gateway's own word. */
  const source = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/configuration`).catch(() => undefined);
    return response?.ok ? InForce.parse(await response.json()).slots[0]?.source : undefined;
  };
  const outputs = async () => Outputs.parse(await (await fetch(`http://127.0.0.1:${port}/v1/outputs`)).json()).outputs;
  const reads = (name: string, from: string | RegExp) =>
    until(
      async () => {
        const its = await source();
        return its?.directory === join(folder, name) && (typeof from === 'string' ? its.from === from : from.test(its.from));
      },
      `the gateway reads ${name}`,
      60_000,
    );

  it('goes by its agent.yaml at first', () => reads('own', 'agent.yaml'));

  it('applies what is pushed while it runs, says so, and shows from where it comes', async () => {
    await push('open/a');
    await reads('open/a', /^desired state, epoch \d+$/);
    await inState('applied');
    const { epoch, reported } = await shown();
    expect(reported).toMatchObject({ epoch, refused: [], slots: [{ from: { source: `desired state, epoch ${epoch}` } }] });
    const { stdout } = await run(process.execPath, [program, 'status', '--config', join(folder, 'agent.yaml')]);
    expect(stdout).toMatch(/inspection source +\{"directory":"[^"]+\/open\/a".*from desired state, epoch \d+\n/);
  });

  it('follows a change, and a rollback', async () => {
    await push('open/b');
    await reads('open/b', /^desired/);
    await cp.api('POST', 'configurations/group/lyon/rollback', {});
    await reads('open/a', /^desired/);
    await inState('applied');
  });

  it('refuses a folder that its agent.yaml does not open, goes on with what it has, and tells it', async () => {
    await push('closed');
    await inState('refused');
    expect((await shown()).reported!.refused).toEqual([
      { slot: 'inspection', reason: expect.stringContaining('lies in no folder that agent.yaml opens') },
    ]);
    await reads('open/a', /^desired/);
    const { items } = (await cp.api('GET', 'events?kind=configuration-refused&limit=1')).body;
    expect(items[0].message).toContain('press does not do all that its configuration of epoch');
  });

  it('opens an output on this device, and none beyond it', async () => {
    const [modbus] = (await freePorts(1)) as [number];
    await push('open/a', { modbus: { port: modbus } });
    await inState('applied');
    await until(async () => (await outputs())[0]?.state === 'running', 'the output serves', 60_000);
    await push('open/a', { modbus: { port: modbus, host: '0.0.0.0' } });
    await inState('refused');
    expect((await shown()).reported!.refused).toEqual([
      { slot: 'inspection', reason: expect.stringContaining(`listen on 0.0.0.0:${modbus}, which is not open`) },
    ]);
    expect(await outputs()).toMatchObject([{ kind: 'modbus', state: 'running' }]);
  });

  it('shows the predictions of a release in an output that was pushed, with its quality', async () => {
    const release = await pushRelease(new ApiClient(cp.url, cp.adminToken), join(models, 'releases', '1.0.0'));
    const probation = { inferences: 1, timeoutS: 60 };
    await cp.api('POST', 'assignments', { release: release.name, slot: 'inspection', target: 'site=lyon', probation });
    await copyFile(join(models, 'photographs', 'coffee.jpg'), join(folder, 'open/b/coffee.jpg'));
    const [modbus] = (await freePorts(1)) as [number];
    await push('open/b', { modbus: { port: modbus } }, 'repeat');
    const shown = async () => {
      const registers = await modbusRead(modbus, 64).catch(() => undefined);
      return registers && { quality: registers.readUInt16BE(2 * 2), label: registers.toString('latin1', 2 * 48).split('\0')[0] };
    };
    await until(async () => (await shown())?.quality === 1, 'a good result in the registers', 60_000);
    expect((await shown())!.label).toMatch(/cup|espresso|coffee/);
  });

  it('gets what changed while it was away', async () => {
    await stop();
    await push('open/b');
    agent = start();
    await reads('open/b', /^desired/);
    await inState('applied');
  });

  it('goes by its agent.yaml alone where that refuses, and tells it', async () => {
    await stop();
    await configure('refuse');
    agent = start();
    await reads('own', 'agent.yaml');
    await inState('refused');
    await stop();
    await configure(['open']);
    agent = start();
    await reads('open/b', /^desired/);
    await inState('applied');
  });

  it('goes by it after a start without a network', async () => {
    await stop();
    await cp.stop();
    agent = start();
    await reads('open/b', /^desired/);
  });
});
