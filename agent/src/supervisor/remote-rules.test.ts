import { describe, expect, it } from 'vitest';
import { SlotPipeline, sourceKinds } from '@flotilla/protocol/device';
import { pathsIn } from '../source-paths.js';
import { judgeBy } from './remote-rules.js';

const rules = {
  folder: '/etc/flotilla',
  data: '/srv/open/data',
  remoteConfiguration: {
    accept: true,
    folders: ['/srv/open', '/etc/flotilla/secrets'],
    outputs: { listen: [{ host: '0.0.0.0', port: 4840 }], to: [{ host: 'broker.line3', port: 1883 }] },
  },
};
const judge = (source: unknown, more: object = {}) => judgeBy(rules)('label', { source, ...more });
const mqtt = { mqtt: 'mqtts://broker', topic: 't' };

describe('the control plane may name', () => {
  it.each<[unknown, object]>([
    [{ directory: '/srv/open/pictures' }, { directory: '/srv/open/pictures' }],
    [{ directory: '/srv/open' }, { directory: '/srv/open' }],
    [{ ...mqtt, passwordFile: 'secrets/broker' }, { passwordFile: '/etc/flotilla/secrets/broker' }],
    [{ camera: '/dev/video0' }, {}],
    [{ video: 'rtsp://10.0.0.7/main' }, {}],
    [{ audio: 'hw:1,0', kind: 'alsa' }, {}],
    [{ lines: { serial: '/dev/ttyUSB0' }, columns: ['a'] }, {}],
    [{ lines: { tcp: '10.0.0.7:4001' } }, {}],
    [{ push: {} }, {}],
  ])('%j', (source, resolved) => expect(judge(source)).toMatchObject({ pipeline: { source: resolved } }));
});

describe('the control plane may not name', () => {
  const nowhere = 'lies in no folder that agent.yaml opens';
  it.each<[string, unknown, string]>([
    ['a folder that is not open', { directory: '/var/lib/other', then: 'delete' }, `/var/lib/other, which ${nowhere}`],
    ['a way out of an open one', { directory: '/srv/open/../other' }, `/srv/other, which ${nowhere}`],
    ['one whose name only begins alike', { directory: '/srv/opened' }, `/srv/opened, which ${nowhere}`],
    ['a target that is not open', { directory: '/srv/open', then: { move: '/root' } }, `/root, which ${nowhere}`],
    [
      'a key as a password to send away',
      { ...mqtt, passwordFile: '/srv/open/data/device.key' },
      "in the agent's own data folder",
    ],
    ['any other file as a password', { ...mqtt, passwordFile: '/etc/shadow' }, `/etc/shadow, which ${nowhere}`],
    ['a relative path out of its folder', { video: '../../root/a.mp4' }, `/root/a.mp4, which ${nowhere}`],
    ['what ffmpeg takes for a list of files', { video: 'concat:/etc/passwd|/etc/shadow' }, nowhere],
    ['a file as an address', { video: 'file:///etc/passwd' }, 'may name rtsp'],
    ['a file as a camera', { camera: '/etc/passwd' }, 'outside of /dev'],
    ['a file as a camera, by a detour', { camera: '/dev/../etc/passwd' }, 'outside of /dev'],
    ['a file as a serial line', { lines: { serial: '/tmp/x' }, columns: ['a'] }, 'outside of /dev'],
    ['a program as a sound card', { audio: "file:'|reboot',raw", kind: 'alsa' }, 'may name default, hw:'],
    ['a file that grows', { lines: { file: '/var/log/auth.log' } }, nowhere],
    ['a recording', { recording: '/root' }, nowhere],
  ])('%s', (_what, source, why) => expect(judge(source)).toEqual({ refused: expect.stringContaining(why) }));

  it.each<[string, object]>([
    ['a key of a client', { certFile: '/etc/ssl/own.pem', keyFile: '/etc/ssl/own.key' }],
    ['a certificate authority', { caFile: '/etc/ssl/ca.pem' }],
  ])('%s that is not open', (_what, files) =>
    expect(judge({ ...mqtt, ...files })).toEqual({ refused: expect.stringContaining(nowhere) }),
  );
  it('the password file of a camera on the network that is not open', () =>
    expect(judge({ video: 'rtsp://10.0.0.7/main', username: 'u', passwordFile: '/etc/shadow' })).toEqual({
      refused: expect.stringContaining(nowhere),
    }));
  it('a password file of a trigger that is not open', () =>
    expect(judge({ push: {} }, { trigger: { mqtt: { url: 'mqtt://b', topic: 't', passwordFile: '/etc/shadow' } } })).toEqual({
      refused: expect.stringContaining(nowhere),
    }));
  it('anything in a file where no folder is open', () => {
    const closed = { ...rules, remoteConfiguration: { ...rules.remoteConfiguration, folders: [] } };
    expect(judgeBy(closed)('label', { source: { directory: '/srv/open' } })).toHaveProperty('refused');
  });
  it('what this agent does not know', () =>
    expect(judge({ radar: 'front' })).toEqual({ refused: expect.stringContaining('none of its keys (radar)') }));
});

it('an address that hides behind a name is none', () =>
  expect(judge({ push: {} }, { outputs: { mqtt: { url: 'mqtt://localhost@evil.example' } } })).toEqual({
    refused: expect.stringContaining('must hold no name and password'),
  }));

describe('the control plane may have outputs', () => {
  const webhook = { url: 'http://127.0.0.1:9000/a' };
  it.each<[string, object]>([
    ['send to a broker on this device', { mqtt: { url: 'mqtt://localhost' } }],
    ['send to a peer that is open', { mqtt: { url: 'mqtt://BROKER.line3', topic: 't' } }],
    ['listen on this device', { modbus: {} }],
    ['listen where it is open', { opcua: { host: '0.0.0.0', anonymous: 'read' } }],
  ])('%s', (_what, outputs) => expect(judge({ push: {} }, { outputs })).toHaveProperty('pipeline'));

  const closed = 'remoteConfiguration: { outputs: {';
  it.each<[string, object, string]>([
    ['send to another broker', { mqtt: { url: 'mqtts://evil.example' } }, `mqtt send to evil.example:8883, which is not open`],
    ['call what listens on this device', { webhook }, 'webhook send to 127.0.0.1:9000'],
    [
      'send to a further broker',
      { sparkplug: { url: 'mqtt://localhost', otherUrls: ['mqtt://evil.example'], group: 'g' } },
      'sparkplug send to evil.example:1883',
    ],
    ['send to another port of an open peer', { sparkplug: { url: 'mqtt://broker.line3:1884', group: 'g' } }, 'broker.line3:1884'],
    ['listen for the network', { modbus: { host: '0.0.0.0' } }, 'modbus listen on 0.0.0.0:502, which is not open'],
    ['listen on IPv6', { opcua: { host: '::', anonymous: 'read' } }, 'opcua listen on [::]:4840'],
  ])('not %s', (_what, outputs, why) => {
    const judged = judge({ push: {} }, { outputs });
    expect(judged).toEqual({ refused: expect.stringContaining(why) });
    expect(judged).toEqual({ refused: expect.stringContaining(closed) });
  });
});

/** Whoever adds a kind of source finds here that its files, if it has some, must be named in source-paths.ts, and its devices judged. */
it('each kind of source is known to who judges them', () => {
  const one: Record<string, [written: object, paths: string[]]> = {
    directory: [{ directory: 'p', then: { move: 'q' } }, ['p', 'q']],
    camera: [{ camera: '/dev/video0' }, []],
    video: [{ video: 'p' }, ['p']],
    recording: [{ recording: 'p' }, ['p']],
    mqtt: [{ ...mqtt, caFile: 'p', passwordFile: 'q' }, ['p', 'q']],
    push: [{ push: {} }, []],
    audio: [{ audio: 'p' }, ['p']],
    lines: [{ lines: { file: 'p' } }, ['p']],
    opcua: [{ opcua: 'opc.tcp://h:4840', nodes: { a: 'ns=1;i=1' }, passwordFile: 'p' }, ['p']],
  };
  expect(Object.keys(one)).toEqual(sourceKinds);
  for (const [written, paths] of Object.values(one))
    expect(pathsIn(SlotPipeline.parse({ source: written })).toSorted()).toEqual(paths);
});

it('finds the files of an output wherever they stand in it', () => {
  const users = [{ name: 'a', passwordFile: 'p' }];
  const outputs = { opcua: { users, clientCertificateFiles: ['q', 'r'] } };
  expect(pathsIn(SlotPipeline.parse({ outputs })).toSorted()).toEqual(['p', 'q', 'r']);
});
