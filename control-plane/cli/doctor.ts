import { statfs } from 'node:fs/promises';
import type { DeviceView, StatusView } from '@flotilla/protocol';
import { Command } from 'commander';
import type { FlotillaClient } from './flotilla-client.js';
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

async function examine(client: FlotillaClient): Promise<Finding[]> {
  const skewS = ((await client.time()).getTime() - Date.now()) / 1000;
  const status = await client.status.show();
  const devices = await client.devices.list();
  return [
    { check: 'control plane', ok: true, detail: `${client.url}, up since ${status.startedAt}` },
    ...examineStatus(status),
    ...examineCertificates(status),
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

/** Devices renew theirs after two thirds of its time, the control plane its own a month before: what is nearer has failed to. */
function examineCertificates({ certificates: { authority, server }, devices }: StatusView): Finding[] {
  const daysTo = (time: string) => Math.floor((Date.parse(time) - Date.now()) / 86_400_000);
  const [authorityDays, serverDays] = [daysTo(authority), daysTo(server)];
  return [
    finding(
      'certificates',
      authorityDays > 180 && serverDays > 14,
      `the authority's until ${day(authority)}, the server's until ${day(server)}`,
      authorityDays > 180
        ? `the server's ends in ${serverDays} days and was not renewed: its log says why`
        : `the authority's ends in ${authorityDays} days: no device trusts it after that; enrol them with a new one before`,
    ),
    finding(
      "devices' certificates",
      devices.certificateEnds === 0,
      'none ends within 14 days',
      `${devices.certificateEnds} end within 14 days: those devices were offline for long; one that is too late enrols anew (flotilla devices replace DEVICE)`,
    ),
  ];
}

const day = (time: string) => time.slice(0, 10);

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
