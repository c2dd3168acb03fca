import { statfs } from 'node:fs/promises';
import { DeviceView, StatusView } from '@flotilla/protocol';
import { Command } from 'commander';
import type { ApiClient } from './client.js';
import { example, print } from './output.js';
import { clientFor, version } from './settings.js';

type Finding = { check: string; ok: boolean; detail: string };

/** Certificates and signatures are judged by clocks that must agree about the time. */
const skewAllowedS = 5;

/** Looks for what usually goes wrong; exit 1 if something is. */
export const doctor = (): Command =>
  example(
    new Command('doctor')
      .description('Check the control plane for what usually goes wrong; exit 1 if something is')
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
  const skewS = ((await client.time()).getTime() - Date.now()) / 1000;
  const status = await client.get('/api/v1/status', StatusView);
  const devices = await client.list('/api/v1/devices', DeviceView);
  return [
    { check: 'control plane', ok: true, detail: `${client.url}, up since ${status.startedAt}` },
    ...examineStatus(status),
    examineClock(skewS),
    examineDesired(devices.filter(({ status: is, online }) => is === 'active' && online)),
    await examineDisk(),
  ];
}

function examineStatus({ version: theirs, broker, leader, devices, rollouts }: StatusView): Finding[] {
  return [
    finding(
      'version',
      theirs === version,
      `${theirs}, like this command`,
      `the control plane has ${theirs}, this command ${version}`,
    ),
    finding('broker', broker.connected, `${broker.kind}, connected`, 'not connected: no device can report'),
    finding('leader', leader, 'this control plane leads', 'this one does not lead; rollouts move only where one does'),
    { check: 'devices', ok: true, detail: `${devices.online} of ${devices.total} online` },
    finding(
      'approval',
      devices.pending === 0,
      'no device waits for it',
      `${devices.pending} waiting (flotilla devices list), each let in by flotilla devices approve DEVICE`,
    ),
    finding(
      'rollouts',
      rollouts.paused === 0,
      'none is paused',
      `${rollouts.paused} paused: somebody must look (flotilla rollouts list)`,
    ),
  ];
}

const examineClock = (skewS: number) =>
  finding(
    'clock',
    Math.abs(skewS) <= skewAllowedS,
    `within ${skewAllowedS} s of this machine's`,
    `the control plane's differs from this machine's by ${skewS.toFixed(0)} s: set both by NTP, or devices refuse its certificates`,
  );

function examineDesired(online: readonly DeviceView[]): Finding {
  const behind = online.filter((device) => device.reportedEpoch !== device.epoch).map((device) => device.id);
  const named = `${behind.slice(0, 10).join(', ')}${behind.length > 10 ? ` and ${behind.length - 10} more` : ''}`;
  return finding('desired state', behind.length === 0, 'every online device has its latest', `not taken yet by ${named}`);
}

async function examineDisk(): Promise<Finding> {
  const { bavail, bsize } = await statfs('.');
  const freeGb = (bavail * bsize) / 1e9;
  return finding('disk here', freeGb > 1, `${freeGb.toFixed(1)} GB free`, `${freeGb.toFixed(1)} GB free: make room`);
}

const finding = (check: string, ok: boolean, good: string, bad: string): Finding => ({ check, ok, detail: ok ? good : bad });
