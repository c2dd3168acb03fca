import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigurationReport, DeviceConfig } from '@flotilla/protocol/device';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Effective } from '../core/gateway-configuration.js';
import { effectiveConfiguration, GatewayConfiguration } from './gateway-configuration.js';
import { quiet } from './fixtures/fleet-of-one.js';
import { judgeBy } from './remote-rules.js';

let folder: string;
let configured: Effective[];
let reports: ConfigurationReport[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gateway-configuration-'));
  [configured, reports] = [[], []];
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, 'gateway-configuration.json');
const deviceWith = (folders = ['/srv/open']) => ({
  accept: true,
  slots: { label: {}, door: {} },
  judge: judgeBy({
    folder,
    data: join(folder, 'data'),
    remoteConfiguration: { accept: true, folders, outputs: { listen: [], to: [] } },
  }),
});
const aConfiguration = (device = deviceWith()) =>
  new GatewayConfiguration({
    file: file(),
    device,
    log: quiet,
    onConfigured: (effective) => configured.push(effective),
    onReport: (report) => reports.push(report),
  });
const desired = (epoch: number, slots?: Record<string, unknown>) => ({
  epoch,
  config: { windowS: 1, uploadS: 1, heartbeatS: 60, ...(slots && { gateway: { v: 1, slots } }) } satisfies DeviceConfig,
});
const source = (directory: string) => ({ source: { directory } });
const directory = () => configured.at(-1)?.slots['label']?.source;

describe('the gateway configuration of a device', () => {
  it('that nobody configures from afar is agent.yaml, and nothing is reported or stored', () => {
    const configuration = aConfiguration();
    configuration.start(undefined);
    configuration.apply(desired(1));
    expect(configured).toHaveLength(2);
    expect(reports).toEqual([]);
    expect(() => readFileSync(file())).toThrow('ENOENT');
  });

  it('is brought into force and reported once, however often it is said', () => {
    const configuration = aConfiguration();
    configuration.start(undefined);
    configuration.apply(desired(2, { label: source('/srv/open/a') }));
    configuration.apply(desired(3, { label: source('/srv/open/a') }));
    expect(directory()).toMatchObject({ directory: '/srv/open/a' });
    expect(reports).toMatchObject([
      { epoch: 2, slots: [{ slot: 'label', from: { source: 'desired state, epoch 2' } }, { slot: 'door' }], refused: [] },
    ]);
  });

  it('outlives a restart without a network, and without the stored desired state', () => {
    aConfiguration().apply(desired(2, { label: source('/srv/open/a') }));
    configured = [];
    aConfiguration().start(undefined);
    expect(directory()).toMatchObject({ directory: '/srv/open/a' });
    expect(reports).toHaveLength(2);
  });

  it('keeps the last good one of a slot over a restart, although the newest document cannot be read', () => {
    const configuration = aConfiguration();
    configuration.apply(desired(2, { label: source('/srv/open/a') }));
    const later = desired(3, { label: { source: { radar: 'front' } }, door: source('/srv/open/d') });
    configuration.apply(later);
    aConfiguration().start(later);
    expect(directory()).toMatchObject({ directory: '/srv/open/a' });
    expect(configured.at(-1)!.slots['door']!.source).toMatchObject({ directory: '/srv/open/d' });
    expect(reports.at(-1)).toMatchObject({
      epoch: 3,
      refused: [{ slot: 'label', reason: expect.stringContaining('what was in force stays') }],
    });
  });

  it('is what agent.yaml says again when it is taken back, which is reported', () => {
    const configuration = aConfiguration();
    configuration.apply(desired(2, { label: source('/srv/open/a') }));
    configuration.apply(desired(3));
    expect(directory()).toBeUndefined();
    expect(reports.at(-1)).toEqual({
      epoch: 3,
      slots: [
        { slot: 'label', from: {} },
        { slot: 'door', from: {} },
      ],
      refused: [],
    });
  });

  it('survives a damaged file', () => {
    writeFileSync(file(), '{"v":1,"accepted"');
    aConfiguration().start(desired(2, { label: source('/srv/open/a') }));
    expect(directory()).toMatchObject({ directory: '/srv/open/a' });
  });

  it('is shown to who asks while nothing runs, with what is refused', () => {
    aConfiguration().apply(desired(2, { label: source('/srv/open/a'), moon: source('/srv/open/m') }));
    expect(effectiveConfiguration(file(), deviceWith(), quiet)).toMatchObject({
      slots: { label: { from: { source: 'desired state, epoch 2' } } },
      refused: [{ slot: 'moon', reason: 'this device has no such slot; its slots are: label, door' }],
    });
    expect(effectiveConfiguration(file(), deviceWith([]), quiet).slots['label']!.source).toBeUndefined();
  });
});
