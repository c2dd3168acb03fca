import { randomUUID } from 'node:crypto';
import { Counters } from '@flotilla/control-plane/platform/counters';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { ComparisonsService } from '@flotilla/control-plane/queries/comparisons.service';
import { QueriesService } from '@flotilla/control-plane/queries/queries.service';
import { QueryRepository } from '@flotilla/control-plane/queries/query.repository';
import { ClassesRepository } from '@flotilla/control-plane/queries/classes.repository';
import { ClassesService } from '@flotilla/control-plane/queries/classes.service';
import { InputsRepository } from '@flotilla/control-plane/queries/inputs.repository';
import { InputsService } from '@flotilla/control-plane/queries/inputs.service';
import { VitalsRepository } from '@flotilla/control-plane/queries/vitals.repository';
import { VitalsService } from '@flotilla/control-plane/queries/vitals.service';
import { ContentRollups } from '@flotilla/control-plane/telemetry/content-rollups';
import { TelemetryRepository } from '@flotilla/control-plane/telemetry/telemetry.repository';
import { VitalsRollups } from '@flotilla/control-plane/telemetry/vitals-rollups';
import {
  Baseline,
  BootId,
  ClassesQuery,
  CompareQuery,
  DeviceId,
  InputsQuery,
  SlotName,
  sketchOf,
  TelemetryQuery,
  VitalsQuery,
} from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aDatabase, type Database } from '../support/postgres.js';
import { aDigest, aWindow, someVitals } from '../support/records.js';
import { lastedMs, type Placed, rollUp } from '../support/rolled-up.js';

const boot = BootId.parse(randomUUID());
const now = Date.parse('2026-11-27T06:30:00Z');
const minute = 60_000;
const [old, newer] = [aDigest('old'), aDigest('newer')];

/** Three devices for three days: each has a window every 37 minutes, which come in no order of time. */
const windows: Placed[] = Array.from({ length: 351 }, (_, i) => {
  const device = ['a', 'b', 'c'][i % 3]!;
  const endedAt = new Date(now - ((i * 137) % 117) * 37 * minute - 1);
  const ok = 1 + (i % 7);
  const times = Array.from({ length: ok }, (_u, k) => 100 + ((i * 7919 + k * 104_729) % 90_000));
  const sketches = {
    queue: sketchOf(times.map((us) => us / 9)),
    compute: sketchOf(times),
    total: sketchOf(times.map((us) => us * 2)),
  };
  return {
    device,
    hardwareClass: device === 'c' ? 'arm' : 'x64',
    site: device === 'a' ? '' : 'lyon',
    endedAt,
    window: aWindow(boot, {
      ok,
      errors: i % 3,
      sheds: i % 5,
      digest: i % 4 === 0 ? newer : old,
      variant: i % 2 === 0 ? 'int8.onnx' : 'fp32.onnx',
      computeCpuUs: i * 1000,
      ...(i % 2 === 0 && { rssBytes: 1000 + i }),
      ...(i % 6 === 0 && { restarts: 1 }),
      ...(i % 5 === 0 && { feedback: { confirmed: i % 7, rejected: i % 3, corrected: i % 2 } }),
      ...(i % 4 < 3 && { temperatureMaxC: 40 + (i % 61) / 2, throttledMs: i % 900, energyJ: (i % 50) / 3 }),
      ...sketches,
    }),
  };
});

let db: Database;
let close: () => Promise<void>;
let queries: QueriesService;
/** By the clock that the rollups are made by. */
let current: QueriesService;
let ids: number[];
beforeAll(async () => {
  ({ db, close } = await aDatabase());
  const config = {
    device: { windowS: 1, uploadS: 60, heartbeatS: 60 },
    retentionDays: 30,
    rollupDays: { minute: 7, hour: 90, day: 730 },
  };
  queries = new QueriesService(new QueryRepository(db), { now: () => new Date(now) }, config as never);
  current = new QueriesService(new QueryRepository(db), { now: () => new Date() }, config as never);
  for (const { device, hardwareClass, site } of windows.slice(0, 3))
    await db.query(
      `INSERT INTO device (id, status, profile, hardware_class, labels, notes, key_thumbprint, certificate_serial, certificate_expires_at, enrolled_at)
       VALUES ($1, 'active', 'p', $2, $3, '[]', $1, $1, now(), now())`,
      [device, hardwareClass, site === '' ? {} : { site }],
    );
  const stored = windows.map(({ device, window, endedAt }) => ({
    device: DeviceId.parse(device),
    window,
    at: {
      startedAt: new Date(endedAt.getTime() - lastedMs),
      endedAt,
      receivedAt: new Date(endedAt.getTime() + 30 * minute),
      uncertain: false,
    },
  }));
  await db.transaction((tx) => new TelemetryRepository(db).insert(tx, stored, []));
  ids = (await db.query<{ id: string }[]>('SELECT id FROM telemetry_window ORDER BY id')).map(({ id }) => Number(id));
});
afterAll(() => close?.());

const ask = async (query: Record<string, string>) => {
  const { items, level, since, until } = await queries.answer(TelemetryQuery.parse(query));
  return { level, since, until, items: items.map((item) => ({ ...item, devices: undefined })) };
};
const rolledUpTo = (count: number) => rollUp(db, windows.slice(0, count), count === 0 ? 0 : ids[count - 1]!);

/** Whole days, so that every level has the same span. */
const span = { since: '2026-11-24T00:00:00Z', until: '2026-11-27T00:00:00Z' };
const questions: [string, Record<string, string>][] = [
  ['release and variant', { by: 'release,variant' }],
  ['hardware class', { by: 'hardwareClass' }],
  ['site', { by: 'label:site' }],
  ['device', { by: 'device' }],
  ['device, of a hardware class', { by: 'device', hardwareClass: 'x64' }],
  ['slot, of a selector', { by: 'slot', selector: 'site=lyon' }],
  ['release, day after day', { by: 'release', step: 'day' }],
  ['device, day after day', { by: 'device', step: 'day' }],
];
const levelsOf = (query: Record<string, string>) =>
  /device|selector/.test(JSON.stringify(query)) ? ['hour', 'day'] : ['minute', 'hour', 'day'];

describe.each([0, 173, 351])('with %i of 351 windows in the rollups', (count) => {
  beforeAll(() => rolledUpTo(count));

  it.each(questions)('every level answers by %s as the windows do', async (_what, query) => {
    const raw = await ask({ ...span, ...query, level: 'raw' });
    expect(raw.items.length).toBeGreaterThan(0);
    for (const level of levelsOf(query)) expect(await ask({ ...span, ...query, level })).toEqual({ ...raw, level });
  });

  it('days, hours and minutes are put together at both ends', async () => {
    const ragged = { since: '2026-11-24T22:58:00Z', until: '2026-11-27T06:29:00Z', by: 'release' };
    expect((await ask({ ...ragged, level: 'minute' })).items).toEqual((await ask({ ...ragged, level: 'raw' })).items);
  });
});

describe('bins', () => {
  it.each(['day', undefined] as const)('are added by the database as they are here, by %s', async (step) => {
    await rolledUpTo(173);
    const rows = new QueryRepository(db);
    const [from, to] = [Date.parse(span.since), Date.parse(span.until)];
    const question = { by: ['release'], filter: {}, step, span: { from, to }, level: 'hour' } as const;
    const [many, few] = await queries.reading(question, async (tx, read) => {
      const groups = await rows.totals(tx, read, { order: 'inferences', limit: 5 });
      const manyRows = groups.map((group) => ({ ...group, rows: 1e6 }));
      return [await rows.sketches(tx, read, manyRows), await rows.sketches(tx, read, groups)];
    });
    const filled = ({ bins, counts }: (typeof few)[number]) =>
      bins.flatMap((bin, i) => (counts[i]! > 0 ? [[bin, counts[i]!] as const] : [])).toSorted(([x], [y]) => x - y);
    const counted = (sketches: typeof few) =>
      sketches.map((its) => JSON.stringify([its.key, its.at, its.of, filled(its)])).toSorted();
    expect(few.length).toBeGreaterThan(5);
    expect(counted(many)).toEqual(counted(few));
  });
});

describe('an answer', () => {
  it('says from what level it comes, and to where its buckets reach', async () => {
    await rolledUpTo(351);
    const read = async (query: Record<string, string>) => {
      const { level, since, until } = await ask(query);
      return [level, since.slice(8, 16), until.slice(8, 16)];
    };
    expect(await read({ since: '90m' })).toEqual(['raw', '27T05:00', '27T06:30']);
    expect(await read({ since: '90m', step: 'hour' })).toEqual(['raw', '27T05:00', '27T06:30']);
    expect(await read({ since: '90m', by: 'device', level: 'day' })).toEqual(['day', '27T00:00', '28T00:00']);
    expect(await read({ since: '40d', by: 'device' })).toEqual(['hour', '18T06:00', '27T07:00']);
  });

  it('has a bucket for every step in which something was measured, none twice', async () => {
    const { items } = await ask({ ...span, by: 'device', step: 'hour', device: 'a' });
    const buckets = items.map(({ at }) => at!);
    expect(buckets).toEqual([...new Set(buckets)].toSorted());
    expect(buckets.length).toBeGreaterThan(30);
    const whole = (await ask({ ...span, by: 'device', device: 'a' })).items[0]!;
    expect(items.reduce((sum, { ok }) => sum + ok, 0)).toBe(whole.ok);
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ since: '1h', until: '2h' }, /since: .* is not before until/],
    [{ since: '20d', step: 'minute' }, /step: that is 28800 buckets of one minute each, and at most 1000/],
    [{ level: 'minute', by: 'device' }, /level: .* not kept by minute: choose one of raw, hour, day/],
  ])('to %o is refused in one sentence', async (query, words) => expect(ask(query)).rejects.toThrow(words));

  it('compares from one level only', async () => {
    const compare = new ComparisonsService(queries);
    const { metrics, level, words } = await compare.compare(
      CompareQuery.parse({ ...span, of: 'label:site', a: 'lyon', b: 'turin' }),
    );
    expect([level, words]).toEqual(['hour', ['nothing was inferred with turin']]);
    expect(metrics.find(({ metric }) => metric === 'inferences')).toMatchObject({ unit: '' });
  });
});

const hour = 60 * minute;
const start = Date.now();
const since = new Date(Math.floor(start / 86_400_000 - 3) * 86_400_000).toISOString();
const leading = { isLeader: () => true, check: () => Promise.resolve() } as never;
const silent = createLogger('silent');
const just = (endedAt: Date) => ({ startedAt: endedAt, endedAt, receivedAt: new Date(start), uncertain: false });

describe('vitals', () => {
  /** Of three days and the last hours, in no order of time. */
  const vitals = Array.from({ length: 60 }, (_, i) => ({
    device: DeviceId.parse(['a', 'b', 'c'][i % 3]!),
    endedAt: new Date(start - ((i * 37) % 60) * hour - 1),
    vitals: someVitals(boot, {
      cpu: (i % 11) / 10,
      outboxRecords: i,
      ...(i % 3 > 0 && { temperatureC: 30 + (i % 17) / 4, throttled: i % 2 === 0 }),
      ...(i % 3 === 1 && { powerW: i / 7, gpu: i / 60 }),
    }),
  }));
  const store = (from: number, to: number) =>
    new TelemetryRepository(db).insert(
      db.manager,
      [],
      vitals.slice(from, to).map(({ endedAt, ...its }) => ({ ...its, at: just(endedAt) })),
    );
  const asked = (query: Record<string, string>) =>
    new VitalsService(current, new VitalsRepository()).answer(VitalsQuery.parse({ since, order: 'cpu', ...query }));
  const questions: Record<string, string>[] = [
    { by: 'device' },
    { by: 'label:site,hardwareClass' },
    { by: 'label:site', step: 'day' },
    { by: 'device', step: 'hour' },
    { by: 'device', step: 'day', selector: 'site=lyon' },
    { by: 'hardwareClass', device: 'c' },
  ];

  it('are the same from records and from rollups by hour and day, whatever came since', async () => {
    const rollups = new VitalsRollups(db, leading, new Counters(), silent);
    await store(0, 40);
    await expect(asked({ level: 'hour' })).rejects.toThrow(/^level: there are no rollups by hour of this yet/);
    await rollups.catchUp();
    for (const [from, to] of [
      [40, 40],
      [40, 60],
    ] as const) {
      await store(from, to);
      for (const question of questions) {
        const raw = await asked({ ...question, level: 'raw' });
        expect(raw.items.length).toBeGreaterThan(0);
        for (const level of question['step'] === 'hour' ? ['hour'] : ['hour', 'day'])
          expect((await asked({ ...question, level })).items, `${JSON.stringify(question)} by ${level}`).toEqual(raw.items);
      }
    }
  });

  it('say up to when they are where what came since is too much to read', async () => {
    await db.query(`UPDATE rollup_watermark SET at = $1 WHERE name = 'vitals'`, [new Date(start - 12 * hour)]);
    const { asOf, items } = await asked({ level: 'day' });
    expect([asOf, items.reduce((sum, { samples }) => sum + samples, 0)]).toEqual([new Date(start - 12 * hour).toISOString(), 40]);
  });
});

describe('classes and inputs', () => {
  const baseline = Baseline.parse({
    v: 1,
    inferences: 400,
    inputs: [
      { input: 'images', statistic: 'mean', edges: [0.2, 0.4], counts: [100, 200, 100] },
      { input: 'images', statistic: 'detail', edges: [1], counts: [300, 100] },
    ],
    score: { edges: [0.5], counts: [40, 360] },
  });
  const counted = Array.from({ length: 90 }, (_, i) => ({
    device: DeviceId.parse(['a', 'b', 'c'][i % 3]!),
    at: just(new Date(start - ((i * 37) % 60) * hour - 1)),
    window: aWindow(boot, {
      slot: SlotName.parse('looks'),
      digest: i % 10 === 0 ? old : newer,
      classes: { [`class ${i % 7}`]: i, common: 3 },
      otherClasses: i % 4,
      scores: [0, 0, i, 0, 0, 0, 0, 0, 0, 5],
      ...(i % 5 > 0 && {
        baseline: {
          inputs: [
            [i, 1, 2],
            [7, i],
          ],
          ...(i % 3 > 0 && { score: [1, i] }),
        },
      }),
    }),
  }));
  const spanned = { since, slot: 'looks' };
  const classes = async (query: Record<string, string>) =>
    (await new ClassesService(current, new ClassesRepository()).answer(ClassesQuery.parse({ ...spanned, ...query }))).items;
  const releases = { baselineOf: (release: string) => Promise.resolve(release === 'looker@1.0.0' ? baseline : undefined) };
  const inputs = async (query: Record<string, string>) => {
    const parsed = InputsQuery.parse({ ...spanned, release: 'looker@1.0.0', ...query });
    return (await new InputsService(current, new InputsRepository(), releases).answer(parsed)).items;
  };
  const store = (from: number, to: number) => new TelemetryRepository(db).insert(db.manager, counted.slice(from, to), []);

  beforeAll(() =>
    db.query(`INSERT INTO release (digest, model, version, manifest, pushed_at) VALUES ($1, 'looker', '1.0.0', '{}', now())`, [
      newer,
    ]),
  );

  it('are the same from windows and from rollups by hour and day, whatever came since', async () => {
    const rollups = new ContentRollups(db, leading, new Counters(), silent);
    for (const [from, rolledUp, to] of [
      [0, 40, 40],
      [40, 70, 90],
    ] as const) {
      await store(from, rolledUp);
      await rollups.catchUp();
      await store(rolledUp, to);
      for (const question of [
        { by: 'device' },
        { by: 'label:site' },
        { by: 'release', selector: 'site=lyon' },
        { by: 'variant' },
      ]) {
        const raw = {
          classes: await classes({ ...question, level: 'raw' }),
          inputs: await inputs({ ...question, level: 'raw' }),
        };
        expect([raw.classes.length, raw.inputs.length].every((count) => count > 0)).toBe(true);
        for (const level of ['hour', 'day']) {
          expect(await classes({ ...question, level }), `${question.by} by ${level}`).toEqual(raw.classes);
          expect(await inputs({ ...question, level }), `${question.by} by ${level}`).toEqual(raw.inputs);
        }
      }
    }
  });

  it('of a release are counted in the bins of its baseline', async () => {
    const its = counted.filter(({ window }) => window.digest === newer).flatMap(({ window }) => window.baseline ?? []);
    const sum = (of: (each: (typeof its)[number]) => number | undefined) => its.reduce((all, each) => all + (of(each) ?? 0), 0);
    const bins = [0, 1, 2].map((bin) => sum(({ inputs: [mean] }) => mean![bin]));
    expect(await inputs({ level: 'day' })).toEqual([
      {
        key: { release: 'looker@1.0.0' },
        inputs: [bins, [0, 1].map((bin) => sum(({ inputs: [, detail] }) => detail![bin]))],
        score: [0, 1].map((bin) => sum(({ score }) => score?.[bin])),
      },
    ]);
    await expect(inputs({ release: 'looker@2.0.0' })).rejects.toThrow(/^release: looker@2.0.0 came without a baseline/);
  });
});
