import { ExportRepository } from '@flotilla/control-plane/queries/export.repository';
import { TelemetryService } from '@flotilla/control-plane/telemetry/telemetry.service';
import { type InferenceWindow, sketchOf, TelemetryAnswer } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled } from '../support/fleet.js';
import { aWindow } from '../support/records.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { boot, newer, old } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

const minute = 60_000;
const day = 86_400_000;
let cp: TestControlPlane;
beforeAll(async () => {
  cp = await aControlPlane();
  for (const release of [old, newer, aRelease('3.0.0', { model: 'other' })]) await pushed(cp, release);
  const site = (name: string, its: string) => aNewDevice(name, { labels: { site: its } });
  await enrolled(cp, site('a', 'lyon'), site('b', 'lyon'), site('c', 'turin'));
  await cp.api('POST', 'groups', { name: 'lyon', selector: 'site=lyon' });
  const [before, after] = [digestOfRelease(old), digestOfRelease(newer)];
  await measured('a', { digest: before, ok: 100, computeCpuUs: 100_000 }, 10);
  const heard = { feedback: { confirmed: 6, rejected: 1, corrected: 1 } };
  const board = { temperatureMaxC: 71.5, throttledMs: 1000, energyJ: 75 };
  await measured('a', { digest: after, ok: 300, errors: 100, computeCpuUs: 900_000, rssBytes: 7, ...heard, ...board }, 5);
  await measured('b', { digest: after, ok: 200, computeCpuUs: 400_000, total: sketchOf([9000]), rssBytes: 9 }, 5);
  await measured('c', { digest: before, ok: 50, sheds: 3, restarts: 2, variant: 'fp32.onnx' }, 5);
  await measured('c', { digest: before, ok: 1 }, 90);
});
afterAll(() => cp?.stop());

async function measured(device: string, window: Partial<InferenceWindow>, minutesAgo: number): Promise<void> {
  const at = new Date(Date.now() - minutesAgo * minute);
  const where = { startedAt: new Date(at.getTime() - 10_000), endedAt: at, receivedAt: at, uncertain: false };
  const [row] = await cp.app.get(DataSource).query<{ id: string }[]>(`SELECT id FROM device WHERE id = $1`, [device]);
  await cp.app
    .get(DataSource)
    .transaction((tx) =>
      cp.app.get(TelemetryService).store(tx, [{ device: row!.id as never, window: aWindow(boot, window), at: where }], []),
    );
}
const ask = async (query: string) => TelemetryAnswer.parse((await cp.api('GET', `telemetry?${query}`)).body).items;
const keys = async (query: string) => (await ask(query)).map(({ key }) => Object.values(key).join('/'));

describe('what devices measured', () => {
  it('is put together by release, most inferences first, over the last hour', async () => {
    const [first, second] = await ask('');
    expect(first).toMatchObject({
      key: { release: 'product-classifier@1.1.0' },
      devices: 2,
      windows: 2,
      ok: 500,
      errors: 100,
      errorRate: 0.166667,
      meanComputeMs: 2.6,
      maxRssBytes: 9,
      feedback: { confirmed: 6, rejected: 1, corrected: 1 },
      rejectedShare: 0.25,
      temperatureMaxC: 71.5,
      throttledShare: 0.1,
      energyJ: 75,
      // Of the one board that has a power sensor.
      joulesPerInference: 0.25,
    });
    expect(second).toMatchObject({ key: { release: 'product-classifier@1.0.0' }, devices: 2, ok: 150, sheds: 3, restarts: 2 });
    for (const key of ['maxRssBytes', 'feedback', 'temperatureMaxC', 'throttledShare', 'energyJ', 'joulesPerInference'])
      expect(second).not.toHaveProperty(key);
    // Nine of 5 ms, one of 9 and one of 20: of eleven, the p99 is the last but one.
    expect(first!.latency.total.p50! / 5).toBeCloseTo(1, 1);
    expect(first!.latency.total.p99! / 9).toBeCloseTo(1, 1);
  });

  it.each([
    ['by=device', ['a', 'b', 'c']],
    ['by=label:site', ['lyon', 'turin']],
    ['by=label:floor', ['']],
    ['by=group', ['lyon']],
    ['by=device,release&limit=2', ['a/product-classifier@1.1.0', 'b/product-classifier@1.1.0']],
    ['by=variant', ['int8.onnx', 'fp32.onnx']],
    ['by=device&order=errorRate', ['a', 'b', 'c']],
    ['by=device&order=restarts&limit=1', ['c']],
    ['by=device&release=product-classifier@1.0.0', ['a', 'c']],
    ['by=device&since=7m&until=1m&release=product-classifier@1.0.0', ['c']],
    ['by=device&model=other', []],
    ['by=device&group=lyon', ['a', 'b']],
    ['by=device&selector=site!%3Dlyon', ['c']],
    ['by=device&variant=fp32.onnx', ['c']],
    ['by=slot&device=b', ['classify']],
  ])('is asked for with %s', async (query, expected) => expect(await keys(query)).toEqual(expected));

  it.each([
    ['by=colour', /must be release, variant/],
    ['since=yesterday', /must be a duration such as 90s.* or a moment/],
    ['since=10m&until=1h', /since: .* is not before until/],
    ['since=30d&step=minute', /43200 buckets of one minute each, and at most 1000/],
    ['level=minute&by=device', /choose one of raw, hour, day/],
    ['step=week', /step/],
    ['order=beauty', /order/],
    ['selector=site%3D', /selector: expected a value/],
    ['by=device,release,slot', /by/],
  ])('is refused with %s in words', async (query, words) => {
    const { status, body } = await cp.api('GET', `telemetry?${query}`);
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toMatch(words);
  });
});

const db = () => cp.app.get(DataSource);
const exported = (query: string, signal: AbortSignal | null = null) => {
  const headers = { authorization: `Bearer ${cp.adminToken}` };
  return fetch(`${cp.url}/api/v1/telemetry/export?${query}`, { headers, signal });
};

describe('an export', () => {
  it('is made no faster than it is taken', async () => {
    await db().query(
      `INSERT INTO vitals (device, started_at, ended_at, received_at, vitals)
       SELECT 'slow', $1, $1, $1, jsonb_build_object('pad', repeat('x', 1000)) FROM generate_series(1, 40000)`,
      [new Date(Date.now() - 30 * day)],
    );
    const repository = cp.app.get(ExportRepository);
    const pages = repository.pages.bind(repository);
    let made = 0;
    const spy = vi.spyOn(repository, 'pages').mockImplementation(async function* (...asked) {
      for await (const page of pages(...asked)) {
        made += page.length;
        yield page;
      }
    });
    const query = `of=vitals&since=${new Date(Date.now() - 31 * day).toISOString()}&until=29d`;
    const [reader, before] = [(await exported(query)).body!.getReader(), made];
    // What fits into buffers on the way is made; then it waits, as often as one looks.
    let [seen, still] = [before, 0];
    await until(() => (still = made === seen ? still + 1 : 0) > 50 || (seen = made) < 0, 'no more is made');
    expect(made).toBeLessThan(20_000);
    for (let read = await reader.read(); !read.done; read = await reader.read()) continue;
    expect(made).toBe(40_000);
    spy.mockRestore();
  });

  it('is one of four at once, and makes room when its reader leaves while the database is at it', async () => {
    const reader = new AbortController();
    const asked = () => exported('of=vitals&since=2h', reader.signal);
    const waiting = async () => {
      const [row] = await db().query<{ count: number }[]>(
        `SELECT count(*)::int FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Lock' AND query LIKE '%FROM vitals%'`,
      );
      return row!.count;
    };
    // A table that is locked stands for one in which the next page is found only after minutes.
    await db().transaction(async (tx) => {
      await tx.query('LOCK TABLE vitals');
      const four = Promise.allSettled(Array.from({ length: 4 }, asked));
      await until(async () => (await waiting()) === 4, 'four exports wait for the database');
      const fifth = await exported('of=vitals');
      expect([fifth.status, await fifth.json()]).toEqual([429, expect.objectContaining({ code: 'TOO_MANY_REQUESTS' })]);
      reader.abort();
      expect((await four).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
      await until(async () => (await waiting()) === 0, 'their statements are cancelled');
      // Other tables can be read, over the connections that the four have given back.
      await until(async () => (await exported('of=fleet-days')).status === 200, 'there is room for another export');
    });
    expect((await exported('of=vitals&since=2h')).status).toBe(200);
  });
});
