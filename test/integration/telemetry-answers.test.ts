import { ApiClient } from '@flotilla/control-plane/cli/client';
import { followed, type Stream } from '@flotilla/control-plane/cli/event-stream';
import { EventsService } from '@flotilla/control-plane/events/events.service';
import { TelemetryService } from '@flotilla/control-plane/telemetry/telemetry.service';
import {
  ClassesAnswer,
  type InferenceWindow,
  Offenders,
  sketchOf,
  TailedWindow,
  TelemetryChanges,
  TelemetryComparison,
  type Vitals,
  VitalsAnswer,
} from '@flotilla/protocol';
import { parse } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled } from '../support/fleet.js';
import { aWindow, someVitals } from '../support/records.js';
import { digestOfRelease, pushed } from '../support/releases.js';
import { boot, newer, old } from '../support/rollout-rig.js';

const minute = 60_000;
const [before, after] = [digestOfRelease(old), digestOfRelease(newer)];
let cp: TestControlPlane;
let db: DataSource;
let start: number;

async function measured(device: string, minutesAgo: number, window: Partial<InferenceWindow>, vitals?: Partial<Vitals>) {
  const at = new Date(start - minutesAgo * minute);
  const where = { startedAt: at, endedAt: at, receivedAt: at, uncertain: false };
  const id = device as never;
  const hot = vitals ? [{ device: id, vitals: someVitals(boot, vitals), at: where }] : [];
  await db.transaction((tx) =>
    cp.app.get(TelemetryService).store(tx, [{ device: id, window: aWindow(boot, window), at: where }], hot),
  );
}

beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  start = Date.now();
  for (const release of [old, newer]) await pushed(cp, release);
  const site = (name: string, its: string) => aNewDevice(name, { labels: { site: its } });
  await enrolled(cp, site('a', 'lyon'), site('b', 'lyon'), site('c', '=turin'));
  await cp.api('POST', 'groups', { name: 'lyon', selector: 'site=lyon' });
  await cp.api('POST', 'groups', { name: 'rest', selector: 'site!=lyon' });
  for (const [device, errors, temperatureMaxC] of [
    ['a', 0, -4.5],
    ['b', 50, 71],
    ['c', 5, 55],
  ] as const) {
    await measured(device, 20, { digest: before, ok: 200, errors: 0, computeCpuUs: 800_000 });
    const slow = sketchOf(Array<number>(200).fill(device === 'c' ? 40_000 : 8000));
    await measured(
      device,
      5,
      { digest: after, ok: 200, errors, computeCpuUs: 1_600_000, total: slow, temperatureMaxC },
      { temperatureC: temperatureMaxC },
    );
  }
  await measured('a', 4, { digest: after, ok: 3, errors: 3, slot: 'rare' as never });
});
afterAll(() => cp?.stop());

const get = async <T>(path: string, schema: { parse(body: unknown): T }) =>
  schema.parse((await cp.api('GET', `telemetry/${path}`)).body);
const bytes = async (query: string) => {
  const headers = { authorization: `Bearer ${cp.adminToken}` };
  return fetch(`${cp.url}/api/v1/telemetry/export?${query}`, { headers });
};

describe('a comparison', () => {
  it('of two releases is about the second, in words', async () => {
    const answer = await get('compare?a=product-classifier@1.0.0&b=product-classifier@1.1.0&slot=classify', TelemetryComparison);
    const row = (metric: string) => answer.metrics.find((each) => each.metric === metric);
    expect(row('inferences')).toMatchObject({ a: 600, b: 655 });
    expect(row('meanComputeMs')).toMatchObject({ a: 4, b: 8, difference: 4, ratio: 2 });
    expect(row('errorRate')).toMatchObject({ a: 0, b: 0.0839695 });
    expect(answer.words[0]).toBe(
      'processor time of an inference: 2.0 times as much with product-classifier@1.1.0 (8 ms, not 4 ms)',
    );
  });

  it.each([['of=group&a=lyon&b=rest'], ['of=label:site&a=lyon&b==turin']])('of %s', async (query) => {
    const { metrics } = await get(`compare?${query.replace('b==', 'b=%3D')}&slot=classify`, TelemetryComparison);
    expect(metrics[0]).toMatchObject({ metric: 'inferences', a: 850, b: 405 });
  });

  it('is refused where a name is none', async () => {
    expect((await cp.api('GET', 'telemetry/compare?of=release&a=x&b=y')).body.detail).toMatch(/"x" is no release: /);
  });
});

describe('a filter that is empty', () => {
  it.each([
    '?hardwareClass=',
    '?by=device&hardwareClass=',
    '/offenders?hardwareClass=',
    '/export?hardwareClass=',
    '/export?of=device-days&hardwareClass=',
    `/changes?at=${encodeURIComponent('10m')}&hardwareClass=`,
    '/compare?a=product-classifier@1.0.0&b=product-classifier@1.1.0&hardwareClass=',
  ])('%s is one that no device meets', async (question) => {
    const headers = { authorization: `Bearer ${cp.adminToken}` };
    const response = await fetch(`${cp.url}/api/v1/telemetry${question}`, { headers });
    expect([response.status, await response.text()]).toEqual([200, expect.not.stringContaining('classify')]);
  });
});

describe('offenders', () => {
  it.each([
    ['errorRate', ['b', 'c', 'a']],
    ['latency', ['c', 'a', 'b']],
    ['temperature', ['b', 'c', 'a']],
    ['compute', ['a', 'b', 'c']],
    ['restarts', ['a', 'b', 'c']],
    ['sheds', ['a', 'b', 'c']],
  ])('by %s come with the worst first', async (by, devices) => {
    const { items, ...answer } = await get(`offenders?by=${by}&slot=classify`, Offenders);
    expect(answer).toMatchObject({ by, devices: 3 });
    expect(items.map(({ device }) => device)).toEqual(devices);
  });

  it('are compared with the median, and have enough inferences', async () => {
    const { items, median } = await get(
      'offenders?by=errorRate&release=product-classifier@1.1.0&slot=classify&limit=1',
      Offenders,
    );
    expect([items[0], median]).toEqual([
      {
        device: 'b',
        value: 0.2,
        ratioToMedian: expect.closeTo(8.2, 1),
        inferences: 250,
        hardwareClass: 'generic-x64/1.30.0+avx2',
      },
      0.02439,
    ]);
    expect((await get('offenders?slot=rare', Offenders)).items).toEqual([]);
    expect((await get('offenders?slot=rare&least=6', Offenders)).items).toHaveLength(1);
  });
});

describe('what changed around a moment', () => {
  it('is what happened, beside what was measured', async () => {
    await cp.app.get(EventsService).append(db, { kind: 'alarm', actor: 'device', device: 'c', message: 'it is hot in Turin' });
    const around = await get(`changes?at=${new Date(start - 10 * minute).toISOString()}&around=15m&group=lyon`, TelemetryChanges);
    expect(around.releases).toEqual([
      { release: 'product-classifier@1.1.0', before: 0, after: 456 },
      { release: 'product-classifier@1.0.0', before: 400, after: 0 },
    ]);
    expect(around.words).toContain('errors: 11.6 % afterwards, not 0 %');
    expect(around.kinds.find(({ kind }) => kind === 'device-enrolled')).toMatchObject({ count: 2, devices: 2 });
    expect(around.events.map(({ kind }) => kind)).toContain('group-created');
    expect(around.events.map(({ kind }) => kind)).not.toContain('alarm');
    const everywhere = await get(`changes?at=10m&around=15m`, TelemetryChanges);
    expect(everywhere.events[0]).toMatchObject({ kind: 'alarm', device: 'c', message: 'it is hot in Turin' });
  });
});

describe('the live tail', () => {
  async function heard(query: string, count: number, meanwhile: () => Promise<unknown>) {
    const end = new AbortController();
    const windows: TailedWindow[] = [];
    let skipped = 0;
    const path = `/api/v1/telemetry/tail?${query}`;
    const client = new ApiClient(cp.url, cp.adminToken);
    const open: Stream['open'] = (headers, signal) => client.stream(path, headers, signal);
    for await (const window of followed({ url: cp.url, open }, TailedWindow, end.signal, (left) => (skipped += left))) {
      if (window) windows.push(window);
      else await meanwhile();
      if (windows.length >= count) end.abort();
    }
    return { windows, skipped };
  }

  it('tells windows of a group as they are stored, after the last ones', async () => {
    const { windows } = await heard('group=lyon&last=1&slot=classify', 3, async () => {
      for (const device of ['c', 'a', 'b']) await measured(device, 0, { digest: after, ok: 7, slot: 'classify' as never });
    });
    expect(windows.map(({ device, ok }) => [device, ok])).toEqual([
      ['b', 200],
      ['a', 7],
      ['b', 7],
    ]);
    expect(windows[1]).toMatchObject({ release: 'product-classifier@1.1.0', p95Ms: expect.closeTo(5, 0) });
  });

  it('leaves out what a reader is too far behind for, and says how much', async () => {
    const [newest] = await db.query<{ id: string }[]>('SELECT max(id) id FROM telemetry_window');
    const { id } = newest!;
    await db.query(
      `INSERT INTO telemetry_window (device, slot, deployment, digest, variant, started_at, ended_at, received_at, uncertain, ok, errors, sheds,
         compute_cpu_us, queue_first, queue, compute_first, compute, total_first, total, slow, classes, other_classes, scores, queue_depth_max)
       SELECT 'a', 'burst', deployment, digest, variant, started_at, ended_at, received_at, uncertain, ok, errors, sheds,
         compute_cpu_us, queue_first, queue, compute_first, compute, total_first, total, slow, classes, other_classes, scores, queue_depth_max
       FROM telemetry_window t, generate_series(1, 2500) WHERE t.id = $1`,
      [id],
    );
    const { windows, skipped } = await heard(`device=a&slot=burst&after=${id}`, 200, () => Promise.resolve());
    expect([windows.length, skipped]).toEqual([200, 2300]);
    await db.query(`DELETE FROM telemetry_window WHERE slot = 'burst'`);
  });

  it('is refused with a place that is none', async () => {
    const headers = { authorization: `Bearer ${cp.adminToken}`, 'last-event-id': '-1' };
    const response = await fetch(`${cp.url}/api/v1/telemetry/tail`, { headers });
    expect([response.status, await response.json()]).toMatchObject([400, { code: 'INVALID_REQUEST' }]);
  });
});

describe('classes', () => {
  it('are told by their share, with what a window may have left out', async () => {
    const slot = { slot: 'cut' as never, digest: after };
    await measured('a', 3, {
      ...slot,
      classes: { scratch: 60, dent: 7 },
      otherClasses: 33,
      scores: [0, 0, 0, 0, 0, 0, 0, 0, 0, 50],
    });
    await measured('b', 3, {
      ...slot,
      classes: { dent: 30, scratch: 3 },
      otherClasses: 0,
      scores: [50, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    });
    const all = await get('classes?slot=cut&by=slot', ClassesAnswer);
    expect(all.items).toEqual([
      {
        key: { slot: 'cut' },
        classified: 133,
        classes: [
          { class: 'scratch', count: 63, share: 0.473684, shareAtMost: 0.481203 },
          { class: 'dent', count: 37, share: 0.278195, shareAtMost: 0.285714 },
        ],
        distinct: 2,
        otherShare: 0.24812,
        scores: [50, 0, 0, 0, 0, 0, 0, 0, 0, 50],
        meanScore: 0.5,
      },
    ]);
    const dents = await get('classes?slot=cut&by=device&class=dent', ClassesAnswer);
    expect(dents.items.map(({ key, classes }) => [key['device'], classes[0]!.count])).toEqual([
      ['a', 7],
      ['b', 30],
    ]);
    expect((await get('classes?slot=cut&group=rest', ClassesAnswer)).items).toEqual([]);
  });
});

describe('vitals', () => {
  it('are put together by device, group and label, the hottest first', async () => {
    await measured(
      'a',
      2,
      { slot: 'v' as never },
      { temperatureC: 10, cpu: 0.8, powerW: 7, throttled: true, memoryUsedBytes: 4e9 },
    );
    const { items } = await get('vitals?since=8m', VitalsAnswer);
    expect(items.map(({ key, temperatureMaxC }) => [key['device'], temperatureMaxC])).toEqual([
      ['b', 71],
      ['c', 55],
      ['a', 10],
    ]);
    expect(items[2]).toMatchObject({
      samples: 2,
      cpuMean: 0.6,
      cpuMax: 0.8,
      temperatureMeanC: 2.75,
      powerMeanW: 7,
      throttledShare: 1,
    });
    expect(items[2]).toMatchObject({ memoryUsedMaxBytes: 4e9, memoryShareMax: 0.5, outboxRecordsMax: 3, outboxDroppedMax: 0 });
    expect(items[0]).not.toHaveProperty('powerMeanW');
    const sites = await get('vitals?since=8m&by=label:site&order=cpu', VitalsAnswer);
    expect(sites.items.map(({ key, devices, samples }) => [key['label:site'], devices, samples])).toEqual([
      ['lyon', 2, 3],
      ['=turin', 1, 1],
    ]);
    const steps = await get('vitals?since=8m&by=group&group=lyon&step=minute', VitalsAnswer);
    expect(steps.items.reduce((sum, { samples }) => sum + samples, 0)).toBe(3);
  });

  it('know no releases', async () => {
    const { status, body } = await cp.api('GET', 'telemetry/vitals?by=release');
    expect([status, body.detail]).toEqual([400, expect.stringMatching(/^by: vitals are of a device, not of a release/)]);
  });
});

describe('an export', () => {
  it('as CSV has a line for each window, and nothing that a spreadsheet computes', async () => {
    await measured('c', 3, { digest: after, variant: '=1+1', classes: { 'a "b", c': 2 } });
    const response = await bytes('slot=classify&since=18m');
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const rows = parse<Record<string, string>>(await response.text(), { columns: true });
    expect(rows.map(({ device }) => device)).toEqual(['a', 'b', 'c', 'c', 'c', 'a', 'b']);
    expect(rows[1]).toMatchObject({
      release: 'product-classifier@1.1.0',
      ok: '200',
      errors: '50',
      restarts: '',
      uncertain: 'false',
    });
    expect(rows[3]).toMatchObject({ variant: `'=1+1`, classes: '{"a \\"b\\", c":2}' });
    expect(JSON.parse(rows[1]!['total']!)).toEqual([200]);
  });

  it('as Parquet is read by another implementation as what is stored', async () => {
    const file = await (await bytes('slot=classify&since=18m&format=parquet')).arrayBuffer();
    const rows = await parquetReadObjects({ file });
    const stored = await db.query<Record<string, unknown>[]>(
      `SELECT device, ok::int8, ended_at, uncertain, rss_bytes, total_first::int8, total::int8[], classes, scores::int8[] FROM telemetry_window
       WHERE slot = 'classify' AND ended_at >= $1 ORDER BY received_at, id`,
      [new Date(start - 18 * minute)],
    );
    const int = (value: unknown) => BigInt(value as string);
    expect(rows.map((row) => Object.fromEntries(Object.keys(stored[0]!).map((name) => [name, row[name]])))).toEqual(
      stored.map((row) => ({
        ...row,
        ok: int(row['ok']),
        total_first: int(row['total_first']),
        total: (row['total'] as string[]).map(int),
        scores: (row['scores'] as string[]).map(int),
      })),
    );
  });

  it('has more than a page, each row once, and vitals with negative numbers', async () => {
    await db.query(
      `INSERT INTO vitals (device, started_at, ended_at, received_at, vitals)
       SELECT 'a', $1, $1, $1, jsonb_build_object('temperatureC', -0.5, 'cpu', 0.25, 'memoryUsedBytes', n) FROM generate_series(1, 5000) n`,
      [new Date(start - 60 * minute)],
    );
    const rows = await parquetReadObjects({ file: await (await bytes('of=vitals&since=2h&format=parquet')).arrayBuffer() });
    const used = new Set(rows.map((row) => row['memory_used_bytes']));
    expect([rows.length, used.size]).toEqual([5004, 5002]);
    const [first] = parse<Record<string, string>>(await (await bytes('of=vitals&since=2h&device=a')).text(), { columns: true });
    expect(first).toMatchObject({ temperature_c: '-0.5', cpu: '0.25', outbox_records: '' });
  });

  it.each([
    ['device-hours', 'csv'],
    ['device-days', 'parquet'],
    ['fleet-minutes', 'csv'],
    ['fleet-hours', 'parquet'],
    ['fleet-days', 'csv'],
  ])('of %s as %s is a table, be it empty', async (of, format) => {
    const response = await bytes(`of=${of}&format=${format}&since=1000s&slot=classify`);
    const body = await response.arrayBuffer();
    expect(response.status).toBe(200);
    const head = format === 'csv' ? new TextDecoder().decode(body.slice(0, 7)) : new TextDecoder().decode(body.slice(0, 4));
    expect(head).toBe(format === 'csv' ? 'bucket,' : 'PAR1');
  });

  it.each([
    ['of=fleet-days&group=lyon', /group: the rollups of the fleet hold no single devices/],
    ['of=vitals&slot=classify', /slot: vitals are of a device/],
    ['of=secrets', /of: /],
    ['format=xls', /format: /],
  ])('of %s is refused in words', async (query, words) => {
    const response = await bytes(query);
    expect([response.status, ((await response.json()) as { detail: string }).detail]).toEqual([
      400,
      expect.stringMatching(words),
    ]);
  });
});
