import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import { DeviceView } from '@flotilla/protocol';
import { z } from 'zod';
import { localDevices, slot } from '../local-fleet/devices.js';
import { agentProgram, Fleet, models } from '../local-fleet/fleet.js';
import { freePorts } from '../support/ports.js';
import { childrenOf, rssMb } from './process-use.js';
import type { Bench } from './figure.js';

const rounds = 5;

/** Memory of one device's processes, and how soon it infers after power-on with no network. Linux: reads /proc. */
export const footprint: Bench = {
  about: 'resident memory of supervisor, runner and gateway; start to first prediction, offline',
  async run(log) {
    const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
    const [http, deviceApi, mqtt, port] = await freePorts(4);
    const [device] = localDevices(port!);
    const fleet = new Fleet(
      { dataDir, ports: { http: http!, deviceApi: deviceApi!, mqtt: mqtt! }, devices: [device!] },
      { line: log, update: () => undefined, settle: () => undefined },
    );
    try {
      await fleet.start();
      await runRelease(fleet);
      await delay(15_000); // past the burst of start-up and update
      const supervisor = fleet.pidOf(device!.name);
      const supervisorRss = await rssMb(supervisor);
      const runnerRss = await rssMb(await childOf(supervisor, 'runner'));
      const gatewayRss = await rssMb(await childOf(supervisor, 'gateway'));
      await fleet.stop();
      const starts: number[] = [];
      for (let i = 0; i < rounds; i++) starts.push(await coldStartMs(fleet.configOf(device!.name), device!.port));
      log(`cold starts: ${starts.map((ms) => ms.toFixed(0)).join(', ')} ms (${rounds} rounds, median below)`);
      return {
        supervisor_rss_mb: { value: supervisorRss, unit: 'MB', reach: '<= 110' },
        runner_rss_mb: { value: runnerRss, unit: 'MB', reach: '<= 160' },
        gateway_rss_mb: { value: gatewayRss, unit: 'MB' },
        cold_start_ms: { value: starts.toSorted((a, b) => a - b)[Math.floor(rounds / 2)]!, unit: 'ms', reach: '<= 1500' },
      };
    } finally {
      await fleet.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};

async function runRelease({ client }: Fleet): Promise<void> {
  const release = await pushRelease(client, join(models, 'releases/1.2.0'));
  await client.post(
    '/api/v1/assignments',
    { release: release.name, slot, target: '*', probation: { inferences: 20, timeoutS: 30 } },
    z.unknown(),
  );
  for (;;) {
    const devices = await client.list('/api/v1/devices', DeviceView);
    if (devices.every((d) => d.slots.some((s) => s.reported?.committed === release.digest))) return;
    await delay(200);
  }
}

/** Spawn to the first answer that carries a prediction; the control plane is down. */
async function coldStartMs(config: string, port: number): Promise<number> {
  const from = performance.now();
  const child = spawn(process.execPath, [agentProgram, 'run', '--config', config, '--exit-with-parent'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  try {
    for (;;) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/slots/${slot}/predictions/latest`).catch(() => undefined);
      if (response?.ok) return performance.now() - from;
      await response?.body?.cancel();
      await delay(10);
    }
  } finally {
    await stop(child);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** The supervisor's child that serves the slot. */
/** Of the supervisor's children, that whose program lies in this folder. */
async function childOf(supervisor: number, program: 'runner' | 'gateway'): Promise<number> {
  for (const child of await childrenOf(supervisor)) {
    const words = (await readFile(`/proc/${child}/cmdline`, 'utf8')).split('\0');
    if (words.some((word) => word.endsWith(`/${program}/main.js`))) return child;
  }
  throw new Error(`the supervisor has no ${program}`);
}
