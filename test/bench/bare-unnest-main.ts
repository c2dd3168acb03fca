import { randomUUID } from 'node:crypto';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { BootId, DeploymentId, Digest, sha256, SlotName, type InferenceWindow, type Vitals } from '@flotilla/protocol';
import pg from 'pg';
import { Recorder } from '../fleet-sim/recorder.js';
import { seeded } from '../fleet-sim/random.js';
import { SimulatedModel, usualBehaviour } from '../fleet-sim/simulated-model.js';
import { cursorsOf, rollupsOf, type Statement } from './bare-rest.js';
import { answerParent } from './child.js';

/** `rollUpEvery`: cursors of streams too, with each transaction, and the rows of rollups each so many windows. */
export type BareUnnestQuestion = { open: string; devices: readonly string[] } | { runForMs: number; rollUpEvery?: number };
export type BareUnnestRun = { windowsPerS: number; recordsPerS: number };

const perTransaction = 1000;
const windowsEach = perTransaction / 2;
const prepared = 16;
const windowS = 10;

type Insert = { name: string; text: string; values: unknown[][] };
let client: pg.Client | undefined;
type Transaction = { rows: [Insert, Insert]; cursors: Statement[] };
let batches: Transaction[] = [];
let rollups: Statement[] = [];

/** Rows as ingest writes them into the same tables with the same indexes; what goes into a statement lies ready. */
async function open(url: string, devices: readonly string[]): Promise<void> {
  const own = new URL(url);
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query('CREATE DATABASE bare');
  await admin.end();
  own.pathname = '/bare';
  const db = await openDatabase(own.href);
  await db.destroy();
  client = new pg.Client({ connectionString: own.href });
  await client.connect();
  const cursors = await cursorsOf(devices);
  await client.query(cursors.rows);
  const windows: { device: string; record: InferenceWindow }[] = [];
  for (let i = 0; i < prepared; i++) {
    const batch = batchOf(devices, i);
    windows.push(...batch.windows);
    batches.push({ rows: batch.rows, cursors: await cursors.move([...new Set(batch.windows.map(({ device }) => device))]) });
  }
  rollups = await rollupsOf(windows);
}

async function run(ms: number, rollUpEvery = 0): Promise<BareUnnestRun> {
  const begun = performance.now();
  let [transactions, rolledUp] = [0, 0];
  while (performance.now() - begun < ms) {
    const { rows, cursors } = batches[transactions++ % prepared]!;
    const derived = rollUpEvery > 0 && Math.floor((transactions * windowsEach) / rollUpEvery) > rolledUp;
    if (derived) rolledUp++;
    await transaction([...rows, ...(rollUpEvery > 0 ? cursors : [])]);
    if (derived) await transaction(rollups);
  }
  const perS = (1000 * transactions * perTransaction) / (performance.now() - begun);
  return { windowsPerS: perS / 2, recordsPerS: perS };
}

async function transaction(statements: readonly (Insert | Statement)[]): Promise<void> {
  await client!.query('BEGIN');
  for (const statement of statements) await client!.query(statement);
  await client!.query('COMMIT');
}

function batchOf(devices: readonly string[], seed: number) {
  const random = seeded(seed);
  const windows: { device: string; record: InferenceWindow }[] = [];
  const vitals: { device: string; record: Vitals }[] = [];
  while (windows.length + vitals.length < perTransaction) {
    const device = devices[Math.floor(random() * devices.length)]!;
    const recorder = recorderOf(random, (record) => {
      if (record.type === 'window') windows.push({ device, record });
      else vitals.push({ device, record });
    });
    // As one upload of an agent: six windows, and vitals with each.
    recorder.record(6, windowS);
  }
  const rows: [Insert, Insert] = [
    insertOf('telemetry_window', windowColumns, windows),
    insertOf('vitals', vitalsColumns, vitals),
  ];
  return { rows, windows };
}

const model = new SimulatedModel(usualBehaviour, windowS, 1);
const serving = {
  deployment: DeploymentId.parse(randomUUID()),
  digest: Digest.parse(sha256('bare')),
  release: 'bare@1.0.0',
  variant: 'model.int8.onnx',
};

const recorderOf = (random: () => number, keep: (record: InferenceWindow | Vitals) => void) =>
  new Recorder({
    boot: BootId.parse(randomUUID()),
    uptime: () => 1000 * random(),
    random,
    slots: () => [{ name: SlotName.parse('inspection'), serving }],
    modelOf: () => model,
    keep: (records) => {
      for (const record of records) if (record.type === 'window' || record.type === 'vitals') keep(record);
    },
    held: () => ({ records: 12, bytes: 9000, dropped: 0 }),
  });

type Column<T> = readonly [name: string, type: string, value: (row: T) => unknown];
type Row<T> = { device: string; record: T };
const literal = (counts: readonly number[]) => `{${counts.join(',')}}`;
const now = () => new Date();
const windowColumns: readonly Column<Row<InferenceWindow>>[] = [
  ['device', 'text', (w) => w.device],
  ['slot', 'text', (w) => w.record.slot],
  ['deployment', 'uuid', (w) => w.record.deployment],
  ['digest', 'text', (w) => w.record.digest],
  ['variant', 'text', (w) => w.record.variant],
  ['started_at', 'timestamptz', now],
  ['ended_at', 'timestamptz', now],
  ['received_at', 'timestamptz', now],
  ['uncertain', 'boolean', () => false],
  ['ok', 'int', (w) => w.record.ok],
  ['errors', 'int', (w) => w.record.errors],
  ['sheds', 'int', (w) => w.record.sheds],
  ['compute_cpu_us', 'int8', (w) => w.record.computeCpuUs],
  ['queue_first', 'smallint', (w) => w.record.queue.first],
  ['queue', 'int[]', (w) => literal(w.record.queue.counts)],
  ['compute_first', 'smallint', (w) => w.record.compute.first],
  ['compute', 'int[]', (w) => literal(w.record.compute.counts)],
  ['total_first', 'smallint', (w) => w.record.total.first],
  ['total', 'int[]', (w) => literal(w.record.total.counts)],
  ['slow', 'jsonb', (w) => JSON.stringify(w.record.slow)],
  ['classes', 'jsonb', (w) => JSON.stringify(w.record.classes)],
  ['other_classes', 'int', (w) => w.record.otherClasses],
  ['scores', 'int[]', (w) => literal(w.record.scores)],
  ['queue_depth_max', 'int', (w) => w.record.queueDepthMax],
  ['rss_bytes', 'int8', (w) => w.record.rssBytes ?? null],
  ['temperature_max_c', 'real', (w) => w.record.temperatureMaxC ?? null],
  ['throttled_ms', 'int', (w) => w.record.throttledMs ?? null],
  ['energy_mj', 'int8', ({ record: { energyJ } }) => (energyJ === undefined ? null : Math.round(energyJ * 1000))],
];
const vitalsColumns: readonly Column<Row<Vitals>>[] = [
  ['device', 'text', (v) => v.device],
  ['started_at', 'timestamptz', now],
  ['ended_at', 'timestamptz', now],
  ['received_at', 'timestamptz', now],
  ['vitals', 'jsonb', (v) => JSON.stringify(v.record)],
];

function insertOf<T>(table: string, columns: readonly Column<T>[], rows: readonly T[]): Insert {
  const travelsAs = (type: string) => (type === 'int[]' || type === 'jsonb' ? 'text' : type);
  const names = columns.map(([name]) => name).join(', ');
  const values = columns.map(([name, type]) => `${name}::${type}`).join(', ');
  const arrays = columns.map(([, type], i) => `$${i + 1}::${travelsAs(type)}[]`).join(', ');
  return {
    name: table,
    text: `INSERT INTO ${table} (${names}) SELECT ${values} FROM unnest(${arrays}) AS rows(${names})`,
    values: columns.map(([, , value]) => rows.map(value)),
  };
}

answerParent<BareUnnestQuestion>((question) =>
  'open' in question ? open(question.open, question.devices) : run(question.runForMs, question.rollUpEvery),
);
