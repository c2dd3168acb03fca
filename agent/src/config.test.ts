import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentConfig, ConfigError, loadConfig } from './config.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'config-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function load(yaml: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, yaml);
  return loadConfig(file, env);
}
/** The lines that the operator gets to read, without the file's path. */
function complaints(yaml: string, env: NodeJS.ProcessEnv = {}): string[] {
  try {
    load(yaml, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').map((line) => line.replace(/^.*agent\.yaml: /, ''));
    throw error;
  }
  return [];
}

const whole = `
server: https://flotilla.example:8443
data: state
labels: { site: lyon, line: '3' }
slots:
  inspection:
    listen: { http: 127.0.0.1:8000, grpc: 127.0.0.1:8001, unix: a.sock }
    source: { directory: pictures, perSecond: 8, then: repeat }
limits: { downloadKbps: 2000, storeMb: 500, outboxMb: 50 }
`;

describe('agent.yaml', () => {
  it('is read with defaults, its paths seen from its own folder', () => {
    expect(load(whole)).toEqual({
      server: 'https://flotilla.example:8443',
      data: join(folder, 'state'),
      labels: { site: 'lyon', line: '3' },
      slots: {
        inspection: {
          listen: {
            http: { host: '127.0.0.1', port: 8000 },
            grpc: { host: '127.0.0.1', port: 8001 },
            unix: join(folder, 'a.sock'),
          },
          source: { directory: join(folder, 'pictures'), perSecond: 8, then: 'repeat' },
        },
      },
      limits: { downloadKbps: 2000, storeMb: 500, outboxMb: 50, predictionsMb: 50, unwrittenS: 30, maxRunS: 30 },
      logLevel: 'info',
      engines: [],
      remoteConfiguration: { accept: true, folders: [], outputs: { listen: [], to: [] } },
      folder,
    });
  });

  it.each<[string, Partial<AgentConfig['remoteConfiguration']>]>([
    ['accept', {}],
    ['refuse', { accept: false }],
    ['{ folders: [pictures, /srv/more] }', { folders: ['pictures', '/srv/more'] }],
    ['{ outputs: { to: ["broker:1883"] } }', { outputs: { listen: [], to: [{ host: 'broker', port: 1883 }] } }],
  ])('takes remoteConfiguration: %s', (written, { accept = true, folders = [], outputs = { listen: [], to: [] } }) => {
    const its = { accept, folders: folders.map((each) => resolve(folder, each)), outputs };
    expect(load(`data: d\nremoteConfiguration: ${written}`).remoteConfiguration).toEqual(its);
  });

  it('names engines, with what they are used for', () => {
    const engines =
      '\nengines: [{ name: jetson, command: [python3, engine.py], providers: [tensorrt] }, { name: b, command: [b] }]\nswap: sequential';
    expect(load(whole + engines)).toMatchObject({
      engines: [
        { name: 'jetson', command: ['python3', 'engine.py'], env: {}, providers: ['tensorrt'] },
        { name: 'b', command: ['b'], env: {} },
      ],
      swap: 'sequential',
    });
  });

  it.each(['127.0.0.1:1', '127.1.2.3:1', 'localhost:1', '"[::1]:1"'])('lets a slot listen on %s without more', (address) =>
    expect(complaints(`data: x\nslots: { a: { listen: { http: ${address} } } }`)).toEqual([]),
  );

  it('finds the files of a slot that is exposed beside it', () => {
    const { slots } = load(
      'data: x\nslots: { a: { listen: { http: 0.0.0.0:1 }, expose: { certificate: c, key: /k, tokens: t } } }',
    );
    expect(Object.values(slots)[0]?.expose).toEqual({ certificate: join(folder, 'c'), key: '/k', tokens: join(folder, 't') });
  });

  it('finds the files of a gateway that is exposed beside it', () => {
    const { gateway } = load(
      'data: x\ngateway: { listen: { http: 0.0.0.0:1 }, expose: { certificate: c, key: /k, clientCa: a } }',
    );
    expect(gateway?.expose).toEqual({ certificate: join(folder, 'c'), key: '/k', clientCa: join(folder, 'a') });
  });

  it('cannot be changed once it is read', () => {
    const [slot] = Object.values(load(whole).slots);
    expect(Object.isFrozen(slot?.listen.http)).toBe(true);
  });

  it('gives way to the environment', () => {
    const config = load(whole, {
      FLOTILLA_DATA: '/var/lib/x',
      FLOTILLA_LOG_LEVEL: 'debug',
      FLOTILLA_OUTBOX_MB: '7',
      FLOTILLA_UNWRITTEN_S: '0',
      FLOTILLA_NAME: 'a',
    });
    expect(config).toMatchObject({
      data: '/var/lib/x',
      logLevel: 'debug',
      name: 'a',
      limits: { outboxMb: 7, unwrittenS: 0, storeMb: 500 },
    });
  });

  it.each<[string, string, string[]]>([
    ['a slip of the pen', 'data: x\nlabls: {}', ['unknown key "labls"; did you mean "labels"?']],
    [
      'two engines of one name',
      'data: x\nengines: [{ name: a, command: [x] }, { name: a, command: [y] }]',
      ['engines: two engines have one name'],
    ],
    [
      'an engine without a command',
      'data: x\nengines: [{ name: a, command: [] }]',
      ['engines.0.command: Too small: expected array to have >=1 items'],
    ],
    ['a key inside', 'data: x\nlimits: { outboxMB: 1 }', ['limits: unknown key "outboxMB"; did you mean "outboxMb"?']],
    [
      'what a later version will know',
      'data: x\nslots: { a: { listen: { http: "[::1]:1", opcua: "b:1" } } }',
      ['slots.a.listen: unknown key "opcua" here; it belongs to another part'],
    ],
    [
      'no address',
      'data: x\nslots: { a: { listen: {} } }',
      ['slots.a.listen: names no address; give http, grpc or unix one, such as http: 127.0.0.1:8000'],
    ],
    [
      'outputs',
      'data: x\nslots: { a: { listen: { http: "127.0.0.1:1" }, outputs: {} } }',
      ['slots.a.outputs: names no output; give it one of: mqtt, sparkplug, opcua, modbus, webhook'],
    ],
    ['plain http', 'server: http://x\ndata: x', ['server: must be an https URL such as https://flotilla.example:8443']],
    [
      'a bad port',
      'data: x\nslots: { a: { listen: { http: "a:99999" } } }',
      ['slots.a.listen.http: "a:99999" is not host:port, such as 127.0.0.1:8000'],
    ],
    [
      'one port twice',
      'data: x\nslots: { a: { listen: { http: localhost:1 } }, b: { listen: { http: localhost:1 } } }',
      [`slots.b.listen.http: localhost:1 is already slot "a"'s; give each its own.`],
    ],
    [
      'one port for two protocols',
      'data: x\nslots: { a: { listen: { http: localhost:1, grpc: localhost:1 } } }',
      [`slots.a.listen.grpc: localhost:1 is already this slot's "http"; give each its own.`],
    ],
    [
      'one socket for two slots',
      'data: x\nslots: { a: { listen: { unix: /run/x.sock } }, b: { listen: { unix: /run/../run/x.sock } } }',
      [`slots.b.listen.unix: /run/x.sock is already slot "a"'s; give each its own.`],
    ],
    [
      'too long a socket path',
      `data: x\nslots: { a: { listen: { unix: /${'x'.repeat(110)} } } }`,
      [
        `slots.a.listen.unix: /${'x'.repeat(110)} has 111 bytes, a socket's path at most 107; shorten it, such as /run/flotilla/a.sock.`,
      ],
    ],
    [
      'an address that others reach',
      'data: x\nslots: { a: { listen: { http: 0.0.0.0:1 } } }',
      [
        'slots.a.listen.http: 0.0.0.0:1 can be reached from the network; give the slot "expose" with a certificate, its key, and clientCa or tokens, or listen on 127.0.0.1.',
      ],
    ],
    [
      'a gateway that others reach',
      'data: x\ngateway: { listen: { http: 0.0.0.0:1 } }',
      [
        'gateway.listen.http: 0.0.0.0:1 can be reached from the network; give the gateway "expose" with a certificate, its key, and clientCa or tokens, or listen on 127.0.0.1.',
      ],
    ],
    [
      'a slot that anybody may ask',
      'data: x\nslots: { a: { listen: { http: "[::]:1" }, expose: { certificate: c, key: k } } }',
      ['slots.a.expose: needs clientCa (whose client certificates are taken) or tokens (a file of bearer tokens), or both'],
    ],
    ['a list', '- data', ['Invalid input: expected object, received array']],
    ['broken YAML', 'data: [', [expect.stringMatching(/^not YAML: /)]],
  ])('complains of %s', (_what, yaml, expected) => expect(complaints(yaml)).toEqual(expected));

  it('lists every bad key at once', () => {
    const lines = complaints('labels: { site: 3 }\nlogLevel: loud\nlimits: { storeMb: none }', { FLOTILLA_OUTBOX_MB: 'many' });
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'data',
      'labels.site',
      'limits.storeMb',
      'limits.outboxMb',
      'logLevel',
    ]);
  });

  it('that is not there is named', () => {
    expect(() => loadConfig('/absent/agent.yaml', {})).toThrow(/^\/absent\/agent\.yaml: cannot be read \(ENOENT/);
  });
});
