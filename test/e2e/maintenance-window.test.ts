import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import { Calendar, DeviceView, GroupView, type RolloutPlanInput, RolloutPreview, RolloutView } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { localDevices, slot, type LocalDevice } from '../local-fleet/devices.js';
import { Fleet, models } from '../local-fleet/fleet.js';
import { freePorts } from '../support/ports.js';
import { until } from '../support/until.js';

/** A real agent with a real model, whose group may be changed twelve hours from now. */
describe('a device with a maintenance window', { timeout: 240_000 }, () => {
  let dataDir: string;
  let fleet: Fleet;
  let device: LocalDevice;
  let incumbent: string;

  beforeAll(async () => {
    dataDir = join(await mkdtemp(join(tmpdir(), 'flotilla-e2e-')), 'data');
    const [http, deviceApi, mqtt, port] = await freePorts(4);
    device = { ...localDevices(0)[0]!, port: port! };
    fleet = new Fleet(
      { dataDir, ports: { http: http!, deviceApi: deviceApi!, mqtt: mqtt! }, devices: [device] },
      { line: () => undefined, update: () => undefined, settle: () => undefined },
    );
    await fleet.start();
    incumbent = (await pushRelease(fleet.client, join(models, 'releases/1.0.0'))).digest;
    const assignment = { release: 'product-classifier@1.0.0', slot, target: '*', probation: { inferences: 5, timeoutS: 60 } };
    await fleet.client.post('/api/v1/assignments', assignment, z.unknown());
    await until(async () => (await reported())?.committed === incumbent, 'it has committed', 120_000);
  }, 240_000);

  afterAll(async () => {
    await fleet.stop();
    await rm(join(dataDir, '..'), { recursive: true, force: true });
  }, 30_000);

  const view = async () => (await fleet.client.list('/api/v1/devices', DeviceView))[0]!;
  const reported = async () => (await view()).slots[0]?.reported;
  const plan = (name: string, change: Partial<RolloutPlanInput>): RolloutPlanInput => ({
    name,
    release: 'product-classifier@1.2.0',
    slot,
    target: '*',
    stages: [{ name: 'all', percent: 100, soak: 0, deadline: '1h' }],
    gates: [{ metric: 'errors', max: 0.05, minInferences: 10, margin: 0.3 }],
    evidence: { pass: 0.2 },
    probation: { inferences: 5, timeoutS: 60 },
    ...change,
  });

  it('fetches and proves a release, holds it through a crash while the incumbent serves, and takes it in an emergency', async () => {
    const { digest } = await pushRelease(fleet.client, join(models, 'releases/1.2.0'));
    const opensAt = (new Date().getUTCHours() + 12) % 24;
    const calendar = { windows: { activate: { cron: `0 ${opensAt} * * *`, duration: '1h', zone: 'UTC' } } };
    await fleet.client.post('/api/v1/groups', { name: 'line', devices: [(await view()).id] }, GroupView);
    await fleet.client.put('/api/v1/groups/line/calendar', calendar, Calendar);
    const usual = plan('usual', { inFlight: 'hold' });
    const preview = await fleet.client.post('/api/v1/rollouts/preview', usual, RolloutPreview);
    expect(preview.calendars).toMatchObject([{ group: 'line', devices: 1 }]);
    const { id } = await fleet.client.post('/api/v1/rollouts', usual, RolloutView);

    const staged = { state: 'staged', digest: incumbent, committed: incumbent, reason: 'ready; waits for its time to take over' };
    const isStaged = async () => (await reported())?.state === 'staged';
    await until(isStaged, 'it has the release, and waits', 120_000);
    expect(await reported()).toMatchObject(staged);
    await until(
      async () =>
        (await fleet.client.get(`/api/v1/rollouts/${id}`, RolloutView)).detail?.startsWith('1 wait to begin it from') ?? false,
      'the rollout says what it waits for',
    );

    process.kill(fleet.pidOf(device.name), 'SIGKILL');
    const ready = () =>
      fetch(`http://127.0.0.1:${device.port}/v2/health/ready`).then(
        (r) => r.ok,
        () => false,
      );
    await until(ready, 'it serves again', 60_000);
    await until(async () => (await view()).online && (await isStaged()), 'it waits again', 90_000);
    expect(await reported()).toMatchObject(staged);

    const now = plan('now', { groupCalendars: 'override', supersede: true });
    await fleet.client.post('/api/v1/rollouts', now, RolloutView);
    await until(async () => (await reported())?.committed === digest, 'it runs the release', 120_000);
    expect((await fleet.client.get(`/api/v1/rollouts/${id}`, RolloutView)).phase).toBe('superseded');
  });
});
