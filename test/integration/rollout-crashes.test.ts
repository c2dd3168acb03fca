import type { RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { aCrowd } from '../support/crowd.js';
import { type Death, dying } from '../support/dying-leader.js';
import { digestOfRelease } from '../support/releases.js';
import { expectReplayed } from '../support/replayed.js';
import { aStillRig, newer, old, type RolloutRig } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: RolloutRig;
const began = Date.now();

beforeAll(async () => void ({ cp, rig } = await aStillRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const stages: RolloutPlanInput['stages'] = [
  { name: 'first', count: 1, soak: 0, deadline: '1h' },
  { name: 'rest', percent: 100, soak: 0, deadline: '1h' },
];

/** A rollout over three devices, look by look; the leader dies at one of them, and the next leader looks again. */
async function story(dies?: { look: number; at: Death }) {
  const { name, devices } = await rig.aFleet(3);
  const { id } = await rig.started(rig.plan(name, { stages, pace: { maxInFlight: 2 } }));
  const tick = (n: number) => rig.look(id, new Date(began + n * 1000));
  let looks = 0;
  for (; (await rig.view(id)).phase === 'running' && looks < 20; looks++) {
    if (dies?.look === looks) await expect(dying(rig.db, dies.at, () => tick(looks))).rejects.toThrow(`died ${dies.at}`);
    else await tick(looks);
    for (const device of await rig.offered(devices)) await rig.obey(device, 12, 4);
  }
  const views = await Promise.all(devices.map((device) => rig.show(device)));
  return { id, devices, looks, views, epochs: views.map(({ epoch }) => epoch) };
}

it(
  'Given a leader that dies at any boundary of a transaction, When the next one looks, Then all comes to the same end',
  { timeout: 120_000 },
  async () => {
    const { looks, epochs: unharmed } = await story();
    expect(looks).toBeGreaterThan(5);
    for (let look = 0; look < looks; look++) {
      for (const at of ['before its commit', 'after its commit'] as const) {
        const { id, devices, views, epochs } = await story({ look, at });
        expect({ look, at, phase: (await rig.view(id)).phase }).toEqual({ look, at, phase: 'completed' });
        await expectReplayed(rig.db, id);
        expect(views.map(({ slots }) => slots[0]!.assignment!.digest)).toEqual(devices.map(() => digestOfRelease(newer)));
        // Each is offered it once, whatever happened: no epoch more than without a death.
        expect(epochs).toEqual(unharmed);
      }
    }
  },
);

/** More than are told at once, twice. */
const many = 2300;
const crowd: Partial<RolloutPlanInput> = { stages: [{ name: 'all', percent: 100, soak: 600, deadline: '1h' }], inFlight: 'hold' };
/** How many of them are told to run the old release, and their epochs. */
async function toldOf(name: string) {
  const rows = await rig.db.query<{ told: boolean; epoch: number }[]>(
    `SELECT a.digest = $2 told, d.epoch::int FROM device d JOIN assignment a ON a.device = d.id WHERE d.labels ->> 'fleet' = $1 ORDER BY d.id`,
    [name, digestOfRelease(old)],
  );
  return { told: rows.filter(({ told }) => told).length, epochs: rows.map(({ epoch }) => epoch) };
}

it.each([
  ['roll-back', 'before its commit', 1000],
  ['roll-back', 'after its commit', 2000],
  ['cancel', 'before its commit', 1000],
  ['cancel', 'after its commit', 2000],
] as const)(
  'Given a %s of many devices, When the leader dies %s of a part, Then each is told once all the same',
  { timeout: 60_000 },
  async (type, death, told) => {
    const name = `${type}-${told}`;
    await aCrowd(rig.db, name, many, digestOfRelease(old));
    const { id } = await rig.started(rig.plan(name, crowd));
    let later = 0;
    const look = () => rig.look(id, new Date(Date.now() + later));
    while (await look()) continue;
    const { told: before, epochs } = await toldOf(name);
    expect([before, epochs.length]).toEqual([0, many]);

    expect((await cp.api('POST', `rollouts/${id}/commands`, { type })).status).toBe(201);
    // It was paused for a day, say: a device that has been silent for as long is told as well.
    if (type === 'cancel') later = 86_400_000;
    await expect(dying(rig.db, death, look)).rejects.toThrow(`died ${death}`);
    expect((await toldOf(name)).told).toBe(told);
    if (type === 'cancel') expect((await rig.view(id)).detail).toContain('those that have not begun are being told');
    while (await look()) continue;

    await look();
    expect(await toldOf(name)).toEqual({ told: many, epochs: epochs.map((epoch) => epoch + 1) });
    expect((await rig.view(id)).detail).not.toContain('being told');
    await expectReplayed(rig.db, id);
  },
);
