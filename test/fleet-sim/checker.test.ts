import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { enrolInBulk } from './bulk-enrolment.js';
import { check, total } from './checker.js';
import { SimulatedFleet } from './simulated-fleet.js';

const devices = 5;
const withinMs = 30_000;
const none = { lost: 0, doubled: 0, strange: 0 };

let controlPlane: TestControlPlane;
let fleet: SimulatedFleet;
beforeAll(async () => {
  // Nothing is recorded but what the test asks for.
  controlPlane = await aControlPlane({ device: { windowS: 3600, uploadS: 3600, heartbeatS: 60 } });
  const release = await pushed(controlPlane, aRelease('1.0.0'));
  fleet = new SimulatedFleet(await enrolInBulk(controlPlane, 'sim', devices), {
    records: false,
    backoff: { baseMs: 50, capMs: 500 },
  });
  await fleet.join(Infinity, withinMs);
  const order = { release: 'product-classifier@1.0.0', slot: 'inspection', target: '*' };
  expect((await controlPlane.api('POST', 'assignments', order)).status).toBeLessThan(300);
  expect(await fleet.reported(digestOfRelease(release), withinMs)).not.toContain(null);
  for (const { recorder } of fleet.devices) recorder.record(4, 10);
  await fleet.drain(withinMs);
});
afterAll(async () => {
  await fleet?.stop();
  await controlPlane?.stop();
});

const sql = (text: string, values?: unknown[]): Promise<unknown> => controlPlane.app.get(DataSource).query(text, values);
const found = async () => total(await check(fleet.ledger(), sql));

/** What the check says with the database so; the change is undone. */
async function foundAfter(...changes: string[]): Promise<Awaited<ReturnType<typeof found>>> {
  const runner = controlPlane.app.get(DataSource).createQueryRunner();
  await runner.startTransaction();
  try {
    for (const change of changes) await runner.query(change);
    return total(await check(fleet.ledger(), (text, values) => runner.query(text, values)));
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}

it('finds each record of each device once', async () => {
  expect(fleet.devices.map(({ ledger }) => [ledger.windows.length, ledger.vitals.length, ledger.committed.length])).toEqual(
    Array.from({ length: devices }, () => [4, 4, 1]),
  );
  expect(await found()).toEqual(none);
});

it.each(['telemetry_window', 'vitals', 'event'])('sees that a row of %s is gone', async (table) => {
  const kind = table === 'event' ? `WHERE kind = 'update-committed'` : '';
  expect(await foundAfter(`DELETE FROM ${table} WHERE id = (SELECT min(id) FROM ${table} ${kind})`)).toEqual({
    ...none,
    lost: 1,
  });
});

it.each(['telemetry_window', 'vitals', 'event'])('sees that a row of %s is there twice', async (table) => {
  const kind = table === 'event' ? `WHERE kind = 'update-committed'` : '';
  expect(
    await foundAfter(
      `CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM ${table} WHERE id = (SELECT min(id) FROM ${table} ${kind})`,
      `UPDATE copied SET id = id + 1000000`,
      `INSERT INTO ${table} SELECT * FROM copied`,
    ),
  ).toEqual({ ...none, doubled: 1 });
});

it.each(['telemetry_window', 'vitals'])('sees that a row of %s is there twice, in the partitions of two days', async (table) => {
  const copied = `SELECT * FROM ${table} WHERE id = (SELECT min(id) FROM ${table})`;
  const found = await foundAfter(
    `CREATE TEMP TABLE copied ON COMMIT DROP AS ${copied}`,
    `UPDATE copied SET id = id + 1000000, received_at = received_at + interval '1 day'`,
    `INSERT INTO ${table} SELECT * FROM copied`,
    // Divides by zero where they do not lie apart.
    `SELECT 1 / (count(DISTINCT tableoid) - 1) FROM ${table}`,
  );
  expect(found).toEqual({ ...none, doubled: 1 });
});

it('takes what may have arrived as it is found, once, and not twice', async () => {
  const { name, ledger } = fleet.devices[0]!;
  const [maybe, ...sure] = ledger.windows;
  const own = { ...ledger, windows: sure, maybe: { windows: [maybe!], vitals: [], committed: [] } };
  const having = async (...changes: string[]) => {
    const runner = controlPlane.app.get(DataSource).createQueryRunner();
    await runner.startTransaction();
    try {
      for (const change of changes) await runner.query(change);
      return total(await check({ [name]: own }, (text, values) => runner.query(text, values)));
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  };
  const row = `device = '${name}' AND compute_cpu_us = ${maybe}`;
  expect(await having()).toEqual(none);
  expect(await having(`DELETE FROM telemetry_window WHERE ${row}`)).toEqual(none);
  const other = `device = '${name}' AND compute_cpu_us = ${sure[0]}`;
  expect(await having(`UPDATE telemetry_window SET compute_cpu_us = ${maybe} WHERE ${other}`)).toEqual({
    lost: 1,
    doubled: 1,
    strange: 0,
  });
});

it('sees a row that no device has sent', async () => {
  expect(
    await foundAfter(`UPDATE telemetry_window SET compute_cpu_us = 1 WHERE id = (SELECT min(id) FROM telemetry_window)`),
  ).toEqual({
    ...none,
    lost: 1,
    strange: 1,
  });
});

it('is still whole after every device has come back at once and sent again what was on its way', async () => {
  for (const { recorder, uplink } of fleet.devices) {
    recorder.record(3, 10);
    uplink.uploadNow();
  }
  const before = fleet.counts().connects;
  for (const device of fleet.devices) device.cut();
  await fleet.until(() => fleet.counts().connects >= before + devices, 'every device is back', withinMs);
  await fleet.drain(withinMs);
  expect(await found()).toEqual(none);
});
