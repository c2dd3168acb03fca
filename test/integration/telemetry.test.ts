import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TelemetryWindowRow } from '@flotilla/control-plane/telemetry/telemetry.entity';
import { Retention } from '@flotilla/control-plane/telemetry/retention';
import { TelemetryService } from '@flotilla/control-plane/telemetry/telemetry.service';
import { SlotName } from '@flotilla/protocol';
import type { DataSource } from 'typeorm';
import { embeddedBroker, type TestBroker } from '../support/broker.js';
import type { FakeDevice } from '../support/fake-device.js';
import { LinkRig } from '../support/link-rig.js';
import { aDigest, aWindow, someVitals } from '../support/records.js';
import { aDatabase } from '../support/postgres.js';

let database: Awaited<ReturnType<typeof aDatabase>>;
let db: DataSource;
let broker: TestBroker;
let rig: LinkRig;

beforeAll(async () => {
  [database, broker] = await Promise.all([aDatabase(), embeddedBroker()]);
  db = database.db;
});
afterAll(async () => {
  await broker.close();
  await database.close();
});
beforeEach(async () => {
  rig = await LinkRig.start(db, broker);
});
afterEach(() => rig.stop());

const slot = SlotName.parse('classify');
async function sent(device: FakeDevice, ...records: Parameters<FakeDevice['keep']>[1][]): Promise<void> {
  device.keep('telemetry', ...records);
  await device.send();
  await device.untilAcknowledged();
}

describe("what is known of a device's telemetry", () => {
  it('is shown newest first, latencies in milliseconds', async () => {
    const device = await rig.join('shown');
    await sent(device, aWindow(device.boot, { ok: 1 }), someVitals(device.boot, { temperatureC: 61 }));
    const baseline = { inputs: [[0, 9, 1]], score: [0, 10] };
    await sent(device, aWindow(device.boot, { ok: 10, computeCpuUs: 45_000, baseline }));
    const { windows, vitals } = await rig.get(TelemetryService).ofDevice(device.device, 10);
    expect(windows.map((w) => w.ok)).toEqual([10, 1]);
    expect(windows[0]).toMatchObject({ slot, meanComputeMs: 4.5, uncertain: false, baseline });
    expect(windows[1]).not.toHaveProperty('baseline');
    const { p50, p99 } = windows[0]!.latency.total;
    // Bins are 5 % wide.
    expect(p50! / 5).toBeCloseTo(1, 1);
    expect(p99! / 5).toBeCloseTo(1, 1);
    expect(vitals).toEqual([expect.objectContaining({ cpu: 0.4, temperatureC: 61, outboxRecords: 3 })]);
    expect(await rig.get(TelemetryService).ofDevice(device.device, 1)).toMatchObject({ windows: [{ ok: 10 }] });
  });

  it('is an error for a device that nobody knows', async () => {
    await expect(rig.get(TelemetryService).ofDevice('nobody' as FakeDevice['device'], 1)).rejects.toMatchObject({
      code: 'DEVICE_NOT_FOUND',
    });
  });

  it('is summed up per release over the last hour', async () => {
    const [one, two] = [await rig.join('sum-1'), await rig.join('sum-2')];
    const digest = aDigest('summed');
    await sent(one, aWindow(one.boot, { digest, ok: 10, computeCpuUs: 40_000, errors: 1 }));
    await sent(two, aWindow(two.boot, { digest, ok: 30, computeCpuUs: 60_000 }));
    const { items } = await rig.get(TelemetryService).summary();
    const total = items.find((item) => item.digest === digest)!;
    expect(total).toMatchObject({ devices: 2, ok: 40, errors: 1, meanComputeMs: 2.5 });
    expect(total.latency.p50! / 5).toBeCloseTo(1, 1);
  });
});

describe("an incumbent's baseline", () => {
  const baseline = async (device: FakeDevice, wall = false, digest = aDigest()) =>
    (
      await db.transaction((tx) =>
        rig.get(TelemetryService).baselines(tx, { slot, devices: [{ device: device.device, digest }], wall, verdicts: wall }),
      )
    ).get(device.device);

  it('is what its own windows on that device say', async () => {
    const device = await rig.join('measured');
    const another = aDigest('another');
    await sent(
      device,
      aWindow(device.boot, { ok: 10, computeCpuUs: 40_000, rssBytes: 100 }),
      aWindow(device.boot, { ok: 30, computeCpuUs: 60_000, rssBytes: 200 }),
      aWindow(device.boot, { ok: 100, computeCpuUs: 9_000_000, digest: another }),
      aWindow(device.boot, { ok: 4, computeCpuUs: 9_000_000 }),
    );
    const figures = { windows: 2, inferences: 40, computeMeanUs: 2500, computeP50Us: 3000, computeP95Us: 3900, rssP95Bytes: 195 };
    expect(await baseline(device)).toEqual(figures);
    // Bins are 5 % wide; nine of ten took 5 ms, one took 20.
    const { wallP95Us, wallP99Us } = (await baseline(device, true))!;
    expect(wallP95Us! / 20_000).toBeCloseTo(1, 1);
    expect(wallP99Us! / 20_000).toBeCloseTo(1, 1);
    expect(await baseline(device, false, another)).not.toHaveProperty('rssP95Bytes');
  });

  it('does not exist without a window of some size, nor from more than a day ago', async () => {
    const device = await rig.join('unmeasured');
    await sent(device, aWindow(device.boot, { ok: 4 }));
    expect(await baseline(device)).toBeUndefined();
    await sent(device, aWindow(device.boot, { ok: 5 }));
    expect(await baseline(device)).toMatchObject({ windows: 1 });
    await db.query(`UPDATE telemetry_window SET received_at = received_at - interval '25 hours' WHERE device = $1`, [
      device.device,
    ]);
    expect(await baseline(device)).toBeUndefined();
  });
});

describe('retention', () => {
  it('deletes what is older than its days, in chunks, and nothing else', async () => {
    const device = await rig.join('old');
    await sent(device, ...Array.from({ length: 3 }, () => aWindow(device.boot)), someVitals(device.boot));
    await db.query(`UPDATE telemetry_window SET received_at = now() - interval '31 days' WHERE id IN
      (SELECT id FROM telemetry_window WHERE device = 'old' ORDER BY id LIMIT 2)`);
    await db.query(`INSERT INTO telemetry_window (device, slot, deployment, digest, variant, started_at, ended_at, received_at, uncertain, ok, errors,
        sheds, compute_cpu_us, queue_first, queue, compute_first, compute, total_first, total, slow, classes, other_classes, scores, queue_depth_max)
      SELECT device, slot, deployment, digest, variant, started_at, ended_at, received_at, uncertain, ok, errors, sheds, compute_cpu_us, queue_first,
        queue, compute_first, compute, total_first, total, slow, classes, other_classes, scores, queue_depth_max
      FROM telemetry_window, generate_series(1, 5500) WHERE device = 'old' AND received_at < now() - interval '30 days'`);
    const { rows } = await rig.get(Retention).deleteOld(new Date());
    expect(rows).toMatchObject({ telemetry_window: 11_002, vitals: 0, dead_letter: 0 });
    expect(await db.getRepository(TelemetryWindowRow).countBy({ device: 'old' })).toBe(1);
  });
});
