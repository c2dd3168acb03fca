import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../../fixtures/eventually.js';
import { Rig, Slot, told } from './fixtures/rig.js';

let rig: Rig;
let slot: Slot;
beforeEach(async () => {
  rig = new Rig();
  slot = new Slot('inspection');
  await rig.start();
});
afterEach(() => rig.stop());

const classes = () =>
  told(rig.heard).flatMap(({ verb, name, metric: { stringValue, isHistorical } }) =>
    name === 'Class' && stringValue !== undefined ? [`${verb}${isHistorical ? ' historical' : ''} ${stringValue}`] : [],
  );
const waitsFor = (reason: string) =>
  eventually(() => rig.output.status.state === 'waiting' && rig.output.status.reason?.includes(reason));

test('nothing is born before the primary host is online, and what it missed is told as history before what is', async () => {
  rig.open([slot], { primaryHost: 'scada' });
  await waitsFor('has not said yet whether it is online');
  slot.sees('1');
  slot.sees('2');
  await rig.hostIs(true, 5000, 'another');
  await rig.hostIs(false, 1000);
  await waitsFor('"scada" is offline');
  expect(rig.heard).toEqual([]);
  await rig.hostIs(true, 2000);
  await eventually(() => rig.output.status.state === 'running');
  slot.sees('3');
  await eventually(() => classes().includes('DDATA 3'));
  expect(classes()).toEqual(['DBIRTH 2', 'DDATA historical 1', 'DDATA historical 2', 'DDATA 3']);
});

test('when it goes offline the node says so, goes, and waits for it with what it has to tell', async () => {
  await rig.hostIs(true, 1000);
  rig.open([slot], { primaryHost: 'scada' });
  const first = await rig.nth('NBIRTH');
  slot.sees('1');
  await eventually(() => classes().includes('DDATA 1'));
  // What it said longer ago than what it said last is passed over.
  await rig.hostIs(false, 999);
  await eventually(() => rig.log.lines.some(({ message }) => message.includes('is older')));
  expect(rig.output.status.state).toBe('running');
  await rig.hostIs(false, 1000);
  const death = await rig.nth('NDEATH');
  expect(death.metrics[0]).toMatchObject({ name: 'bdSeq', longValue: first.metrics[0]!.longValue });
  await waitsFor('"scada" is offline');
  slot.sees('2');
  await rig.hostIs(true, 3000);
  const second = await rig.nth('NBIRTH', 2);
  expect(second.metrics[0]!.longValue).toBe(first.metrics[0]!.longValue! + 1);
  await eventually(() => classes().includes('DDATA historical 2'));
  // In good order: the broker had no will to say.
  expect(rig.of('NDEATH')).toHaveLength(1);
});

test('what a host says that is not Sparkplug 3.0 is passed over, with the reason', async () => {
  rig.open([slot], { primaryHost: 'scada' });
  await waitsFor('has not said yet');
  await rig.host.publishAsync('spBv1.0/STATE/scada', 'ONLINE', { qos: 1 });
  await eventually(() => rig.log.lines.some(({ message }) => message.includes('is not what a host of Sparkplug 3.0 says')));
  expect(rig.heard).toEqual([]);
});

test('with several brokers it goes to the one where the host is, and to no other meanwhile', async () => {
  const other = new Rig();
  await other.start();
  try {
    // Nothing was ever said at the first. The other one's host has a clock of its own.
    rig.open([slot], { primaryHost: 'scada', otherUrls: [`mqtt://127.0.0.1:${other.port}`] });
    slot.sees('1');
    await other.hostIs(true, 5000);
    await other.nth('DBIRTH');
    expect(rig.of('NBIRTH')).toEqual([]);
    await rig.hostIs(true, 1000);
    await other.hostIs(false, 5000);
    await other.nth('NDEATH');
    await rig.nth('DBIRTH');
    slot.sees('2');
    await eventually(() => classes().includes('DDATA 2'));
    expect(other.of('NBIRTH')).toHaveLength(1);
  } finally {
    await other.stop();
  }
});
