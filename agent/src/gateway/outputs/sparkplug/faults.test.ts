import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../../fixtures/eventually.js';
import { commandOf } from './fixtures/decode.js';
import { Rig, Slot } from './fixtures/rig.js';

let rig: Rig;
let slot: Slot;
beforeEach(async () => {
  rig = new Rig();
  slot = new Slot('inspection');
  await rig.start();
});
afterEach(() => rig.stop());

test('a flood of wishes for a birth is answered once a second, and what is no command changes nothing', async () => {
  rig.open([slot]);
  await rig.nth('DBIRTH');
  const began = performance.now();
  const wish = commandOf({ name: 'Node Control/Rebirth', booleanValue: true });
  for (let i = 0; i < 500; i++) {
    await rig.host.publishAsync('spBv1.0/plant/NCMD/cell', wish);
    await rig.host.publishAsync('spBv1.0/plant/NCMD/cell', Buffer.from([0xff, i % 256]));
    await rig.host.publishAsync('spBv1.0/plant/DCMD/cell/inspection', Buffer.alloc(i));
  }
  slot.sees('after the flood');
  await eventually(() =>
    rig.heard.some(({ payload }) => payload.metrics.some(({ stringValue }) => stringValue === 'after the flood')),
  );
  await rig.nth('NBIRTH', 2);
  expect(rig.of('NBIRTH').length).toBeLessThan(3 + (performance.now() - began) / 1000);
  expect(rig.output.status).toMatchObject({ state: 'running', dropped: 0 });
});

test('a command that the broker has kept is passed over: nobody knows how old it is', async () => {
  const wish = commandOf({ name: 'Node Control/Rebirth', booleanValue: true });
  await rig.host.publishAsync('spBv1.0/plant/NCMD/cell', wish, { retain: true, qos: 1 });
  rig.open([slot]);
  await rig.nth('DBIRTH');
  slot.sees('then');
  await eventually(() => rig.heard.some(({ payload }) => payload.metrics.some(({ stringValue }) => stringValue === 'then')));
  expect(rig.of('NBIRTH')).toHaveLength(1);
});

test('a broker that does not know the password is told of in one sentence', async () => {
  rig.broker.authenticate = (_client, _name, _password, done) =>
    done(Object.assign(new Error('no'), { returnCode: 4 as never }), null);
  rig.open([slot]);
  await eventually(() => rig.output.status.state === 'failed');
  expect(rig.output.status.reason).toMatch(/^mqtt:\/\/127.0.0.1:\d+: Connection refused: Bad username or password$/);
});

test('a password that can not be read is told of in one sentence', async () => {
  rig.open([slot], { passwordFile: '/nowhere/password' });
  await eventually(() => rig.output.status.state === 'failed');
  expect(rig.output.status.reason).toContain('/nowhere/password can not be read: ENOENT');
});

test('names that a host could not tell apart, or that no topic may have, are refused at once', async () => {
  const other = new Slot('sorting');
  expect(() => rig.open([slot, other], { device: 'line' })).toThrow(
    'the slots "inspection" and "sorting" would both be the Sparkplug device "line": give one of them another "device"',
  );
  rig.device = 'cell/1';
  expect(() => rig.open([slot])).toThrow(`the device's name "cell/1" can't name an edge node`);
  rig.device = 'cell';
  rig.open([slot]);
  await rig.nth('DBIRTH');
});
