import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aLog, eventually } from '@flotilla/agent/fixtures/eventually';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { openOpcUa } from '@flotilla/agent/gateway/outputs/opcua/opcua';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { OpcUaOutput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Peer } from '../support/peer.js';
import { describeWith } from '../support/required.js';

type Told = { value: unknown; status: string; at: number };
type Seen = { values: (Told & { id: string })[]; events: Record<string, unknown>[] };

describeWith('peers', 'asyncua', () => {
  const folders = new Folders();
  const log = aLog();
  let press: FedPort;
  let output: ReturnType<typeof openOpcUa>;
  let peer: Peer;
  let folder: string;
  let url: string;

  beforeAll(async () => {
    folder = await folders.make({ 'line-password': 'right\n' });
    const port = await freePort();
    url = `opc.tcp://127.0.0.1:${port}`;
    press = new FedPort('press', { trigger: { timeoutMs: 10_000, acknowledgeMs: 60_000 } });
    press.tell({ release: 'weld@1.2.0', swaps: 2, rollBacks: 1 });
    const users = [{ name: 'line', passwordFile: join(folder, 'line-password') }];
    const settings = OpcUaOutput.parse({ port, security: 'none', users, anonymous: 'read', severities: { scratch: 800 } });
    output = openOpcUa({ settings, slots: [{ port: press.port, settings }], device: 'cell-1', folder, log });
    output.start();
    await eventually(() => output.status.state === 'running');
  });
  afterAll(async () => {
    await output.stop('shutdown');
    press.port.close();
    await folders.clear();
  });
  beforeEach(() => void (peer = new Peer('opcua_client.py')));
  afterEach(() => peer.stop());

  async function attempt(
    command: string,
    args: unknown[] = [],
    options: object = {},
  ): Promise<{ answer?: unknown; error?: string }> {
    peer.tell(JSON.stringify([command, args, options]));
    return peer.next();
  }
  async function ask<T = unknown>(command: string, args: unknown[] = [], options: object = {}): Promise<T> {
    const { answer, error } = await attempt(command, args, options);
    if (error !== undefined) throw new Error(error);
    return answer as T;
  }
  const read = (...names: string[]) =>
    ask<Told[]>(
      'read',
      names.map((name) => `press/${name}`),
    );
  const openAs = (user: string, password = 'right') => ask('open', [url], { user, password });
  const publish = (label: string, score: number, capturedAt = Date.now()) =>
    press.publish({ top: [{ label, index: 1, score }], values: [{ name: 'width', value: score * 100, unit: 'mm' }] }, capturedAt);

  it('browses and reads a slot, with units, status and source time', async () => {
    await ask('open', [url]);
    const capturedAt = Date.now() - 1234;
    publish('scratch', 0.25, capturedAt);
    expect(await ask<string[]>('names', ['press'])).toEqual(
      expect.arrayContaining(['Class', 'Confidence', 'Values', 'Counters', 'Inspect', 'Acknowledge', 'Release', 'RollBacks']),
    );
    expect(await read('Class', 'Confidence', 'Values/width', 'CapturedAt')).toEqual([
      { value: 'scratch', status: 'Good', at: capturedAt },
      { value: 0.25, status: 'Good', at: capturedAt },
      { value: 25, status: 'Good', at: capturedAt },
      { value: capturedAt, status: 'Good', at: capturedAt },
    ]);
    expect((await read('Release', 'Swaps', 'RollBacks', 'Quality')).map(({ value }) => value)).toEqual([
      'weld@1.2.0',
      2,
      1,
      'good',
    ]);
    expect(await ask('unit', ['press/Values/width'])).toEqual({ unitId: 5_066_068, symbol: 'mm' });
    expect((await attempt('write', ['press/Class', 'good'])).error).toMatch(/BadNotWritable|BadUserAccessDenied/);
  });

  it('tells a subscriber of values of one moment, and of each change of the class', async () => {
    await ask('open', [url]);
    publish('good', 0.5);
    await ask('watch', [50, 'press/Class', 'press/Confidence', 'press/Values/width']);
    await ask('events');
    await ask('told');
    for (let turn = 1; turn <= 200; turn++) {
      publish('good', turn / 1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    publish('scratch', 0.75);
    const seen: Seen = { values: [], events: [] };
    await eventually(async () => {
      const { values, events } = await ask<Seen>('told');
      seen.values.push(...values);
      seen.events.push(...events);
      return seen.events.length > 0 && seen.values.some(({ value }) => value === 75);
    });
    expect(seen.events).toMatchObject([
      { Class: 'scratch', PreviousClass: 'good', Confidence: 0.75, Release: 'weld@1.2.0', Severity: 800, SourceName: 'press' },
    ]);
    expect(seen.events[0]!['Message']).toBe('press: good → scratch (0.75)');
    const at = (id: string) => new Map(seen.values.filter((its) => its.id === id).map((its) => [its.value, its.at]));
    const widths = [...at('press/Values/width')].map(([width, time]) => [Number(width) / 100, time]);
    expect(widths).toEqual([...at('press/Confidence')]);
  });

  it('reads the history, oldest or newest first, with the quality of each value', async () => {
    await ask('open', [url]);
    const from = Date.now() - 60_000;
    for (let turn = 0; turn < 30; turn++) publish('good', turn / 100, from + turn);
    press.tell({ release: 'weld@1.2.0', drift: 'drifting' });
    const driftsAt = Date.now();
    await eventually(() => Date.now() > driftsAt);
    press.tell({ release: 'weld@1.2.0' });
    const all = await ask<Told[]>('history', ['press/Confidence']);
    const ours = all.filter(({ at, status }) => at >= from && at < from + 30 && status === 'Good');
    expect(ours.map(({ value }) => value)).toEqual(Array.from({ length: 30 }, (_, turn) => turn / 100));
    const [newest, drifting] = await ask<Told[]>('history', ['press/Confidence', 2, true]);
    expect([newest!.status, drifting!.status]).toEqual(['Good', 'UncertainSubNormal']);
    expect(await ask('history', ['press/Class', 3])).toHaveLength(3);
  });

  it('inspects for a named user, once for an id, and takes no second command until it is acknowledged', async () => {
    await openAs('line');
    const inspection = ask<unknown[]>('call', ['press', 'Inspect', 'part-7']);
    await eventually(() => press.inspections!.handshake.state === 'busy');
    press.inspect({ top: [{ label: 'good', index: 0, score: 0.9 }] });
    expect((await inspection).slice(0, 6)).toEqual(['part-7', 1, 'done', 'good', 0, 0.9]);
    expect((await ask<unknown[]>('call', ['press', 'Inspect', 'part-7'])).slice(0, 3)).toEqual(['part-7', 1, 'done']);
    expect((await read('InspectionState', 'InspectionId', 'InspectionSequence')).map(({ value }) => value)).toEqual([
      'done',
      'part-7',
      1,
    ]);
    expect((await attempt('call', ['press', 'Inspect', 'part-8'])).error).toContain('BadInvalidState');
    expect((await attempt('call', ['press', 'Inspect', 'no id!'])).error).toContain('BadInvalidArgument');
    await ask('call', ['press', 'Acknowledge', 'part-7']);
    expect((await read('InspectionState'))[0]!.value).toBe('ready');
  });

  it('lets the unnamed read only, and nobody in with a wrong password', async () => {
    expect((await attempt('open', [url], { user: 'line', password: 'wrong' })).error).toMatch(
      /BadUserAccessDenied|BadIdentityTokenRejected/,
    );
    expect((await attempt('open', [url], { user: 'nobody', password: 'right' })).error).toMatch(
      /BadUserAccessDenied|BadIdentityTokenRejected/,
    );
    await ask('open', [url]);
    expect((await attempt('call', ['press', 'Inspect', 'part-9'])).error).toContain('BadUserAccessDenied');
    await writeFile(join(folder, 'line-password'), 'new\n');
    await openAs('line', 'new');
    await writeFile(join(folder, 'line-password'), 'right\n');
  });

  it.each(['Basic256Sha256', 'Aes256_Sha256_RsaPss'])(
    'trusts a client of %s when its certificate was moved, and says how before',
    async (policy) => {
      const own = await folders.make();
      const secure = { folder: own, user: 'line', password: 'right', policy };
      expect((await attempt('open', [url], secure)).error).toBeDefined();
      const line = await eventually(() => log.lines.find(({ message }) => message.startsWith('a client is not trusted')));
      const pki = join(folder, 'pki');
      const [rejected] = await readdir(join(pki, 'rejected'));
      expect(line.message).toContain(`mv '${join(pki, 'rejected', rejected!)}' '${join(pki, 'trusted', 'certs')}/'`);
      await rename(join(pki, 'rejected', rejected!), join(pki, 'trusted', 'certs', rejected!));
      log.lines.length = 0;
      await peer.stop();
      await eventually(async () => {
        peer = new Peer('opcua_client.py');
        const { error } = await attempt('open', [url], secure);
        if (error !== undefined) await peer.stop();
        return error === undefined;
      });
      expect((await read('Release'))[0]).toMatchObject({ value: 'weld@1.2.0', status: 'Good' });
    },
  );
});
