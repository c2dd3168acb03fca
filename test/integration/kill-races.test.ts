import { BlocksService } from '@flotilla/control-plane/blocks/blocks.service';
import { AdoptionService } from '@flotilla/control-plane/fleet/adoption.service';
import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { RolloutConductor } from '@flotilla/control-plane/rollouts/rollout-conductor';
import { BlockId, DeploymentId, type DeviceId } from '@flotilla/protocol';
import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aKillRig, type KillRig } from '../support/kill-rig.js';
import { digestOfRelease } from '../support/releases.js';
import { newer, slot } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let rig: KillRig;
const [v0, v1] = ['product-classifier@1.0.0', 'product-classifier@1.1.0'];

beforeAll(async () => {
  cp = await aControlPlane();
  rig = await aKillRig(cp);
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

/** Some connection waits for a lock that another one holds. */
const somebodyWaits = () =>
  until(async () => {
    const [{ n }] = await rig.db.query<[{ n: number }]>(
      `SELECT count(*)::int n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return n > 0;
  }, 'one transaction waits for the other');

describe('an offer and a kill on two connections', () => {
  it('the offer that read no block commits first, and the kill finds what it offered', async () => {
    const { devices } = await rig.aFleet(1);
    const gate = Promise.withResolvers<void>();
    const read = Promise.withResolvers<void>();
    const offer = rig.db.transaction(async (tx) => {
      const items = devices.map((device) => ({ device, digest: digestOfRelease(newer) }));
      const assigned = await cp.app.get(AssignmentsService).assign(tx, items, { slot, owner: 'manual' });
      read.resolve();
      await gate.promise;
      return assigned;
    });
    await read.promise;
    const kill = rig.kill(v1);
    await somebodyWaits();
    gate.resolve();
    expect((await offer)[0]).not.toHaveProperty('refused');
    expect((await kill).counts.affected).toBe(1);
    expect(await rig.assignedNames(devices)).toEqual([v0]);
  });

  it('the kill that has the release first is waited for, and the offer is refused', async () => {
    const { devices } = await rig.aFleet(1);
    const { rows } = cp.app.get(BlocksService);
    const gate = Promise.withResolvers<void>();
    const claimed = Promise.withResolvers<void>();
    const aim = { model: 'product-classifier', version: '1.1.0', group: null };
    const said = { reason: 'it bites', actor: 'ann', at: new Date() };
    const kill = rig.db.transaction(async (tx) => {
      const digests = await rows.claim(tx, aim);
      claimed.resolve();
      await gate.promise;
      const unlifted = { liftedAt: null, liftedBy: null, liftedReason: null };
      await rows.save(tx, { id: BlockId.parse(randomUUID()), ...aim, ...said, ...unlifted, digests });
    });
    await claimed.promise;
    const offer = cp.api('POST', 'assignments', { release: v1, slot, devices });
    await somebodyWaits();
    gate.resolve();
    await kill;
    expect((await offer).body).toMatchObject({ code: 'RELEASE_BLOCKED' });
    expect(await rig.assignedNames(devices)).toEqual([v0]);
  });

  it('a push of another version waits for the kill of the whole model, and is blocked', async () => {
    const { devices } = await rig.aFleet(1);
    const { rows } = cp.app.get(BlocksService);
    const gate = Promise.withResolvers<void>();
    const claimed = Promise.withResolvers<void>();
    const holding = rig.db.transaction(async (tx) => {
      await rows.claim(tx, { model: 'product-classifier', version: null });
      claimed.resolve();
      await gate.promise;
    });
    await claimed.promise;
    const push = rig.pushNext();
    await somebodyWaits();
    gate.resolve();
    await holding;
    const name = await push;
    await rig.kill('product-classifier');
    expect((await cp.api('POST', 'assignments', { release: name, slot, devices })).body).toMatchObject({
      code: 'RELEASE_BLOCKED',
    });
  });
});

describe('in any interleaving', () => {
  type Op = (name: string, devices: readonly DeviceId[]) => Promise<unknown>;
  const reported = (committed = digestOfRelease(newer)) => [
    { slot, deployment: DeploymentId.parse(randomUUID()), digest: committed, committed, state: 'committed' as const },
  ];
  const ops: Record<string, Op> = {
    'a manual assignment': (_, devices) => cp.api('POST', 'assignments', { release: v1, slot, devices }),
    'a rollout': (name) => cp.api('POST', 'rollouts', rig.plan(name, { name: `race-${name}-${randomUUID()}`, supersede: true })),
    'a tick': () => cp.app.get(RolloutConductor).tick(),
    'a catch-up': async () => {
      const { items } = (await cp.api('GET', 'rollouts?limit=1')).body;
      for (const { id } of items) await cp.api('POST', `rollouts/${id}/commands`, { type: 'retry' });
    },
    'a roll back': async () => {
      const { items } = (await cp.api('GET', 'rollouts?limit=1')).body;
      for (const { id } of items) await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    },
    'a pin': (_, [device]) => cp.api('PUT', `devices/${device}/slots/${slot}/pin`, { release: v1, reason: 'raced' }),
    'a restored device': (_, devices) =>
      rig.db.transaction((tx) => cp.app.get(AdoptionService).adopt(tx, devices.at(-1)!, reported(), 40)),
    'a row of the outbox': (_, [device]) => rig.desired(device!),
  };
  const name = fc.constantFrom(...Object.keys(ops));

  it('no device is left with a killed release, whatever was under way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 6 }), fc.array(name, { maxLength: 6 }), async (before, after) => {
        const { name: fleet, devices } = await rig.aFleet(2, 0);
        const run = (list: readonly string[]) => list.map((each) => ops[each]!(fleet, devices).catch(() => undefined));
        const running = run(before);
        const kill = rig.kill(v1);
        running.push(...run(after));
        await Promise.all([kill, ...running]);
        const left = await rig.db.query(`SELECT device, owner FROM assignment WHERE digest = $1`, [digestOfRelease(newer)]);
        for (const device of devices)
          expect((await rig.desired(device)).slots.map(({ manifestDigest }) => manifestDigest)).not.toContain(
            digestOfRelease(newer),
          );
        await rig.clear();
        expect(left).toEqual([]);
      }),
      { numRuns: 25, seed: 20261127 },
    );
  }, 120_000);
});
