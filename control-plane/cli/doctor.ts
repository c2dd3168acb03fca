import { statfs } from 'node:fs/promises';
import { DeviceView, StatusView } from '@flotilla/protocol';
import { Command } from 'commander';
import type { ApiClient } from './client.js';
import { example, facts, print } from './output.js';
import { clientFor } from './settings.js';

export const status = (): Command =>
  example(
    new Command('status').description('The control plane at a glance').action(async (_options: unknown, command: Command) => {
      print(command, await clientFor(command).get('/api/v1/status', StatusView), describe);
    }),
    'flotilla status',
  );

const describe = (s: StatusView) =>
  facts({
    version: s.version,
    'started at': s.startedAt,
    database: s.database,
    broker: `${s.broker.kind}, ${s.broker.connected ? 'connected' : 'not connected'}`,
    leader: s.leader,
    devices: `${s.devices.online} of ${s.devices.total} online`,
    releases: s.releases,
    rollouts: `${s.rollouts.running} running, ${s.rollouts.paused} paused`,
    ...s.counters,
  });

type Finding = { check: string; ok: boolean; detail: string };

/** Looks for what usually goes wrong; exit 1 if something is. */
export const doctor = (): Command =>
  example(
    new Command('doctor')
      .description('Check the control plane for what usually goes wrong')
      .action(async (_options: unknown, command: Command) => {
        const findings = await examine(clientFor(command));
        print(command, findings, (all) =>
          all.map(({ check, ok, detail }) => `${ok ? 'ok  ' : 'BAD '} ${check}: ${detail}`).join('\n'),
        );
        if (findings.some((finding) => !finding.ok)) process.exitCode = 1;
      }),
    'flotilla doctor',
  );

async function examine(client: ApiClient): Promise<Finding[]> {
  const s = await client.get('/api/v1/status', StatusView);
  const devices = await client.list('/api/v1/devices', DeviceView);
  const { bavail, bsize } = await statfs('.');
  const behind = devices.filter((device) => device.online && device.reportedEpoch !== device.epoch);
  const freeGb = (bavail * bsize) / 1e9;
  return [
    {
      check: 'broker',
      ok: s.broker.connected,
      detail: s.broker.connected ? `${s.broker.kind}, connected` : 'not connected: no device can report',
    },
    {
      check: 'leader',
      ok: s.leader,
      detail: s.leader ? 'this control plane leads' : 'this one does not lead; rollouts move only where one does',
    },
    { check: 'devices', ok: true, detail: `${s.devices.online} of ${s.devices.total} online` },
    {
      check: 'desired state',
      ok: behind.length === 0,
      detail:
        behind.length === 0
          ? 'every online device has its latest'
          : `${behind.map((d) => d.id).join(', ')} have not taken it yet`,
    },
    {
      check: 'paused rollouts',
      ok: s.rollouts.paused === 0,
      detail: s.rollouts.paused === 0 ? 'none' : `${s.rollouts.paused}: somebody must look (flotilla rollouts list)`,
    },
    { check: 'disk here', ok: freeGb > 1, detail: `${freeGb.toFixed(1)} GB free` },
  ];
}
