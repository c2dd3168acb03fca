import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { Calendar, type DeviceId, type RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { aStillRig, slot, type RolloutRig } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => void ({ cp, rig } = await aStillRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const hour = 3_600_000;
/** Today at noon, in UTC; whatever is started now has begun at another time of the day, long before tomorrow's noon. */
const tomorrow = Math.ceil(Date.now() / (24 * hour)) * 24 * hour;
const at = (h: number) => new Date(tomorrow + h * hour);
const nights = { cron: '0 22 * * *', duration: '6h', zone: 'UTC' };
const evenings = { ...nights, duration: '2h' };
const all: RolloutPlanInput['stages'] = [{ name: 'all', percent: 100, soak: 0, deadline: '30d' }];
const look = (id: string, when: Date) => rig.look(id, when);
const activateOf = async (device: DeviceId) => {
  const { state } = await rig.db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, device));
  return state.slots.find((its) => its.slot === slot)!.activate;
};
const group = async (name: string, devices: readonly DeviceId[], calendar: unknown) => {
  expect((await cp.api('POST', 'groups', { name, devices })).status).toBe(201);
  return cp.api('PUT', `groups/${name}/calendar`, calendar);
};

describe('a window of the plan', () => {
  it('Given a rollout in its window, When it closes in mid-stage, Then nothing more is offered, and its deadline stands still', async () => {
    const { name, devices } = await rig.aFleet(4);
    const stages: RolloutPlanInput['stages'] = [{ name: 'all', percent: 100, soak: 0, deadline: '3h' }];
    const startAt = at(20).toISOString();
    const { id } = await rig.started(
      rig.plan(name, { stages, startAt, windows: { download: evenings }, pace: { maxInFlight: 2 } }),
    );
    for (const h of [20, 20.1, 21.9]) await look(id, at(h));
    expect(await rig.offered(devices)).toEqual([]);
    expect(await rig.view(id)).toMatchObject({
      phase: 'running',
      detail: `nothing is offered by the plan until ${at(22).toISOString()}`,
    });
    await look(id, at(22));
    const first = await rig.offered(devices);
    expect(first).toHaveLength(2);
    for (const h of [23, 24]) await look(id, at(h));
    // What is under way goes on, and with it the stage.
    expect(await rig.view(id)).not.toHaveProperty('detail');
    for (const device of first) await rig.obey(device, 12, 4);
    for (const h of [24.1, 30, 45.9]) await look(id, at(h));
    expect(await rig.offered(devices)).toEqual([]);
    expect(await rig.view(id)).toMatchObject({ phase: 'running', detail: expect.stringContaining(at(46).toISOString()) });
    await look(id, at(46));
    const rest = await rig.offered(devices);
    expect(rest).toHaveLength(2);
    for (const device of rest) await rig.obey(device, 12, 4);
    for (const minutes of [1, 2, 3]) await look(id, at(46 + minutes / 60));
    expect((await rig.view(id)).phase).toBe('completed');
  });

  it('Given a download at any time, When the window to activate is not open yet, Then devices are told from when they may begin', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, { stages: all, windows: { activate: nights } }));
    await look(id, at(12));
    expect(await rig.offered(devices)).toEqual(devices);
    expect(await activateOf(devices[0]!)).toEqual({ after: at(22).getTime() });
    // No deadline runs for who may not begin.
    await look(id, at(21.9));
    expect(await rig.view(id)).toMatchObject({ phase: 'running', detail: `1 wait to begin it from ${at(22).toISOString()}` });
  });

  it('Given inFlight: hold, When the window goes by before a device began, Then it is given the next one', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, { stages: all, windows: { activate: nights }, inFlight: 'hold' }));
    await look(id, at(23));
    expect(await activateOf(devices[0]!)).toEqual({ before: at(28).getTime() });
    const before = (await rig.show(devices[0]!)).epoch;
    await look(id, at(29));
    expect(await activateOf(devices[0]!)).toEqual({ after: at(46).getTime(), before: at(52).getTime() });
    expect((await rig.show(devices[0]!)).epoch).toBeGreaterThan(before);
    expect((await rig.offered(devices)).length).toBe(1);
  });

  it('Given a device that waits for its window, When the same release is assigned by hand, or by an emergency, Then it waits no longer', async () => {
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name, { stages: all, windows: { activate: nights } }));
    await look(id, at(12));
    const waits = { after: at(22).getTime() };
    expect(await Promise.all(devices.map(activateOf))).toEqual([waits, waits]);
    const { epoch } = await rig.show(devices[0]!);
    const byHand = { release: 'product-classifier@1.1.0', slot, devices: [devices[0]] };
    expect((await cp.api('POST', 'assignments', byHand)).status).toBe(200);
    expect((await rig.show(devices[0]!)).epoch).toBeGreaterThan(epoch);
    expect(await Promise.all(devices.map(activateOf))).toEqual([undefined, waits]);
    await rig.started(rig.plan(name, { name: `${name}-now`, stages: all, supersede: true }));
    expect(await Promise.all(devices.map(activateOf))).toEqual([undefined, undefined]);
  });

  it('Given a plan whose windows never open, When it is made, Then it is refused', async () => {
    const { name } = await rig.aFleet(1);
    const never = rig.plan(name, { stages: all, windows: { activate: { cron: '0 0 30 2 *', duration: '1h' } } });
    expect((await cp.api('POST', 'rollouts', never)).body).toMatchObject({
      code: 'INVALID_PLAN',
      detail: 'windows.activate: cron "0 0 30 2 *": never comes',
    });
  });
});

describe('a calendar of a group', () => {
  it('Given two sites of which one is closed, When a stage is offered, Then only the other has it, until the first opens', async () => {
    const { name, devices } = await rig.aFleet(4);
    const [lyon, turin] = [devices.slice(0, 2), devices.slice(2)];
    await group(`${name}-lyon`, lyon, { windows: { download: nights } });
    const { id } = await rig.started(rig.plan(name, { stages: all, pace: { maxInFlight: 9 } }));
    await look(id, at(12));
    expect(await rig.offered(devices)).toEqual(turin);
    for (const device of turin) await rig.obey(device, 12, 4);
    await look(id, at(13));
    expect(await rig.view(id)).toMatchObject({
      detail: `nothing is offered for group "${name}-lyon" until ${at(22).toISOString()}`,
    });
    await look(id, at(22));
    expect(await rig.offered(devices)).toEqual(lyon);
  });

  it('Given a group by selector, When a device is labelled into it, Then its calendar holds for that device at once', async () => {
    const { name, devices } = await rig.aFleet(2);
    expect((await cp.api('POST', 'groups', { name, selector: `fleet=${name},line=night` })).status).toBe(201);
    await cp.api('PUT', `groups/${name}/calendar`, { windows: { download: nights } });
    await cp.api('PUT', `devices/${devices[0]}/labels`, { labels: { fleet: name, line: 'night' } });
    const { id } = await rig.started(rig.plan(name, { stages: all, pace: { maxInFlight: 9 } }));
    await look(id, at(12));
    expect(await rig.offered(devices)).toEqual([devices[1]]);
    await cp.api('PUT', `devices/${devices[0]}/labels`, { labels: { fleet: name } });
    await look(id, at(13));
    expect(await rig.offered(devices)).toEqual(devices);
  });

  it('Given a blackout, When an emergency overrides it, Then its devices are offered the release all the same', async () => {
    const { name, devices } = await rig.aFleet(1);
    await group(name, devices, {
      blackouts: [{ from: '2026-01-01', to: new Date(tomorrow + 300 * 24 * hour).toISOString().slice(0, 10), reason: 'audit' }],
    });
    const { id } = await rig.started(rig.plan(name, { stages: all }));
    await look(id, at(12));
    expect(await rig.offered(devices)).toEqual([]);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'cancel' });
    const emergency = await rig.started(rig.plan(name, { name: `${name}-now`, stages: all, groupCalendars: 'override' }));
    await look(emergency.id, at(12));
    expect(await rig.offered(devices)).toEqual(devices);
  });

  it('can be seen, changed and removed, and goes with its group', async () => {
    const { name, devices } = await rig.aFleet(1);
    expect((await group(name, devices, { windows: { activate: nights } })).status).toBe(200);
    const { body } = await cp.api('GET', `groups/${name}/calendar`);
    expect(Calendar.parse(body)).toEqual({ windows: { activate: [{ ...nights, duration: 6 * 3600 }] } });
    expect(
      (await cp.api('PUT', `groups/${name}/calendar`, { windows: { activate: { ...nights, cron: '99 1 * * *' } } })).body,
    ).toMatchObject({
      status: 400,
      detail: 'calendar: windows.activate: cron "99 1 * * *": CronPattern: Invalid value for minute: 99',
    });
    expect((await cp.api('PUT', `groups/nobody/calendar`, {})).body.code).toBe('GROUP_NOT_FOUND');
    expect((await cp.api('DELETE', `groups/${name}/calendar`)).status).toBe(204);
    expect((await cp.api('GET', `groups/${name}/calendar`)).body.code).toBe('CALENDAR_NOT_FOUND');
    await cp.api('PUT', `groups/${name}/calendar`, { windows: { activate: nights } });
    await cp.api('DELETE', `groups/${name}`);
    expect((await cp.api('POST', 'groups', { name, devices })).status).toBe(201);
    expect((await cp.api('GET', `groups/${name}/calendar`)).status).toBe(404);
  });

  it('Given devices that wait for it, When it is changed or removed, Then they are told', async () => {
    const { name, devices } = await rig.aFleet(2);
    await group(name, devices.slice(0, 1), { windows: { activate: nights } });
    const { id } = await rig.started(rig.plan(name, { stages: all, pace: { maxInFlight: 9 } }));
    await look(id, at(12));
    const told = () => Promise.all(devices.map(activateOf));
    expect(await told()).toEqual([{ after: at(22).getTime() }, undefined]);
    const { epoch } = await rig.show(devices[0]!);
    await look(id, at(13));
    expect((await rig.show(devices[0]!)).epoch).toBe(epoch);
    await cp.api('PUT', `groups/${name}/calendar`, { windows: { activate: { ...nights, cron: '0 20 * * *' } } });
    await look(id, at(14));
    expect(await told()).toEqual([{ after: at(20).getTime() }, undefined]);
    expect((await rig.show(devices[0]!)).epoch).toBe(epoch + 1);
    await cp.api('DELETE', `groups/${name}/calendar`);
    await look(id, at(15));
    expect(await told()).toEqual([undefined, undefined]);
  });

  it('Given two who have read it, When both set it, Then the second is told', async () => {
    const { name, devices } = await rig.aFleet(1);
    await group(name, devices, { windows: { activate: nights } });
    const path = `${cp.url}/api/v1/groups/${name}/calendar`;
    const headers = { authorization: `Bearer ${cp.adminToken}` };
    const tag = (await fetch(path, { headers })).headers.get('etag')!;
    const ifMatch = { ...headers, 'if-match': tag };
    const set = (cron: string) =>
      fetch(path, {
        method: 'PUT',
        headers: { ...ifMatch, 'content-type': 'application/json' },
        body: JSON.stringify({ windows: { activate: { ...nights, cron } } }),
      });
    expect((await set('0 21 * * *')).status).toBe(200);
    expect((await set('0 23 * * *')).status).toBe(412);
    expect((await fetch(path, { method: 'DELETE', headers: ifMatch })).status).toBe(412);
  });

  it('is part of a preview: when devices may be offered it, and begin to run it', async () => {
    const { name, devices } = await rig.aFleet(3);
    await group(name, devices.slice(0, 2), { windows: { activate: nights } });
    const { body } = await cp.api('POST', 'rollouts/preview', rig.plan(name, { windows: { download: nights } }));
    expect(body.calendars).toMatchObject([
      { devices: 3, offersFrom: expect.any(String), activatesFrom: expect.any(String), activatesUntil: null },
      { group: name, devices: 2, activatesUntil: expect.stringMatching(/T04:00:00.000Z$/) },
    ]);
  });
});

describe('a pause', () => {
  it('Given inFlight: hold, When it is paused and resumed, Then devices under way hold and are let go', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, { stages: all, inFlight: 'hold' }));
    expect(await rig.offered(devices)).toEqual(devices);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'pause' });
    expect(await activateOf(devices[0]!)).toEqual({ hold: true });
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'resume' });
    expect(await activateOf(devices[0]!)).toBeUndefined();
  });

  it('Given held devices, When the rollout is cancelled, Then they go back to what they ran', async () => {
    const { name, devices } = await rig.aFleet(1);
    const before = (await rig.assigned(devices[0]!)).digest;
    const { id } = await rig.started(rig.plan(name, { stages: all, inFlight: 'hold' }));
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'pause' });
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'cancel' });
    expect((await rig.assigned(devices[0]!)).digest).toBe(before);
    expect(await activateOf(devices[0]!)).toBeUndefined();
  });
});
