import type { RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { type Death, dying } from '../support/dying-leader.js';
import { digestOfRelease } from '../support/releases.js';
import { expectReplayed } from '../support/replayed.js';
import { aStillRig, newer, type RolloutRig } from '../support/rollout-rig.js';

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
