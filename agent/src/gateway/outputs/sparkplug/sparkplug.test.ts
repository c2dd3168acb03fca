import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../../fixtures/eventually.js';
import { qualityIn, valueIn } from './fixtures/decode.js';
import { Rig, Slot, told } from './fixtures/rig.js';

let rig: Rig;
let slot: Slot;
beforeEach(async () => {
  rig = new Rig();
  slot = new Slot('inspection', true);
  await rig.start();
});
afterEach(() => rig.stop());

const last = (name: string) => told(rig.heard).findLast((its) => its.name === name)?.metric;
const says = (name: string, value: unknown) =>
  eventually(() => {
    const metric = last(name);
    return metric !== undefined && valueIn(metric) === value;
  });
/** All classes that the host was told, as present or as history. */
const classes = () =>
  told(rig.heard).flatMap(({ verb, name, metric: { stringValue, isHistorical } }) =>
    name === 'Class' && stringValue !== undefined ? [`${verb}${isHistorical ? ' historical' : ''} ${stringValue}`] : [],
  );

test('what a slot sees is told as it changes, with the time at which it was seen', async () => {
  rig.open([slot]);
  await rig.nth('DBIRTH');
  const { capturedAt } = slot.sees('blue', { values: [{ name: 'width', value: 2, unit: 'mm' }] });
  await says('Class', 'blue');
  expect(last('Class')).toMatchObject({ timestamp: capturedAt, stringValue: 'blue' });
  // A metric that no birth has named yet is born, with its unit.
  const birth = await rig.nth('DBIRTH', 2);
  expect(birth.metrics.find(({ name }) => name === 'Values/width')).toMatchObject({
    doubleValue: 2,
    properties: {
      keys: ['Quality', 'engUnit'],
      values: [
        { type: 3, intValue: 192 },
        { type: 12, stringValue: 'mm' },
      ],
    },
  });
  slot.sees('blue', { values: [{ name: 'width', value: 3, unit: 'mm' }] });
  await says('Values/width', 3);
  const all = told(rig.heard);
  expect(all.filter(({ message }) => message === all.at(-1)!.message).map(({ name }) => name)).toEqual([
    'Values/width',
    'Sequence',
  ]);
  expect(rig.output.status).toMatchObject({ state: 'running', queued: 0, dropped: 0 });
});

test('what is stale, drifting, uncertain or made in safe mode is never said to be good', async () => {
  rig.open([slot]);
  await rig.nth('DBIRTH');
  slot.sees('blue');
  await says('Class', 'blue');
  expect(qualityIn(last('Class')!)).toBe(192);
  const status = { ...slot.port.status, drift: 'drifting' as const };
  slot.port.told(status);
  await says('Grade', 'drifting');
  expect([qualityIn(last('Class')!), valueIn(last('Drift')!)]).toEqual([0, 'drifting']);
  slot.port.told({ ...status, drift: 'none', state: 'safe-mode' });
  await says('Grade', 'safe-mode');
  expect(qualityIn(last('Confidence')!)).toBe(0);
  slot.port.told({ ...status, drift: 'none', state: 'serving' });
  slot.sees('red', { uncertain: 'it began anew' });
  await says('Reason', 'it began anew');
  expect(qualityIn(last('Class')!)).toBe(0);
  const { capturedAt } = slot.sees('red');
  await says('Grade', 'good');
  expect(last('Class')).toMatchObject({ timestamp: capturedAt });
  expect(qualityIn(last('Class')!)).toBe(192);
});

test('another release has other values; those of the old one are not kept as if they were measured', async () => {
  rig.open([slot]);
  slot.sees('blue', { values: [{ name: 'width', value: 2 }] });
  await rig.nth('DBIRTH');
  slot.sees('blue', { values: [] });
  await says('Values/width', null);
  expect(qualityIn(last('Values/width')!)).toBe(0);
  slot.sees('blue', { digest: 'b'.repeat(64) as never, release: 'm@2.0.0', values: [{ name: 'height', value: 1 }] });
  await says('Values/height', 1);
  const birth = await rig.nth('DBIRTH', rig.of('DBIRTH').length);
  expect(birth.metrics.map(({ name }) => name)).not.toContain('Values/width');
});

test('a host triggers an inspection by alias, acknowledges it, and hears why a command is not taken', async () => {
  rig.open([slot]);
  const birth = await rig.nth('DBIRTH');
  const { alias } = birth.metrics.find(({ name }) => name === 'Inspection/Trigger')!;
  await rig.command('DCMD', { alias: alias!, stringValue: 'part-1' }, 'inspection');
  await says('Inspection/State', 'busy');
  expect(valueIn(last('Inspection/Id')!)).toBe('part-1');
  await rig.command('DCMD', { name: 'Inspection/Trigger', stringValue: 'part-2' }, 'inspection');
  await says('Inspection/Refused', 'busy with part-1: send the next command when its result is there');
  await rig.command('DCMD', { name: 'Class', stringValue: 'red' }, 'inspection');
  await says('Inspection/Refused', 'Class can not be written; Inspection/Trigger and Inspection/Acknowledge can');
  expect(valueIn(last('Inspection/Refusals')!)).toBe(2);
  slot.inspections!.claim(1);
  slot.inspections!.finish('part-1', slot.sees('blue', { inspection: 'part-1' }));
  await says('Inspection/State', 'done');
  // Whoever waits for the state finds the result that belongs to it.
  const order = told(rig.heard).map(({ name, metric }) => `${name} ${metric.stringValue}`);
  expect(order).toContain('Inspection/Result part-1');
  expect(order.indexOf('Inspection/Result part-1')).toBeLessThan(order.indexOf('Inspection/State done'));
  await rig.command('DCMD', { name: 'Inspection/Acknowledge', stringValue: 'part-1' }, 'inspection');
  await says('Inspection/State', 'ready');
});

test('a slot comes and goes while another stays: nobody hears of a new node', async () => {
  rig.open([slot]);
  await rig.nth('DBIRTH');
  const other = new Slot('sorting');
  const served = (slots: Slot[]) => slots.map(({ port }) => ({ port, settings: rig.settings({}) }));
  rig.output.serve!(served([slot, other]));
  await eventually(() => rig.of('DBIRTH').some(({ topic }) => topic.endsWith('/sorting')));
  rig.output.serve!(served([other]));
  await eventually(() => rig.of('DDEATH').some(({ topic }) => topic.endsWith('/inspection')));
  slot.sees('blue');
  other.sees('red');
  await says('Class', 'red');
  expect(classes()).not.toContain('DDATA blue');
  expect(rig.of('NBIRTH')).toHaveLength(1);
  other.port.close();
});

test('what nobody heard because the connection fell is told as history, with nothing left out', async () => {
  rig.open([slot]);
  await rig.nth('DBIRTH');
  slot.sees('1');
  await says('Class', '1');
  rig.tap.cut();
  for (let i = 2; i < 200; i++) slot.sees(String(i));
  await rig.nth('NBIRTH', 2);
  await eventually(() => rig.output.status.queued === 0);
  slot.sees('200');
  await says('Class', '200');
  const seen = new Set(classes().map((line) => Number(line.split(' ').at(-1))));
  expect(seen).toEqual(new Set(Array.from({ length: 200 }, (_, i) => i + 1)));
  expect(classes().at(-1)).toBe('DDATA 200');
});

test(
  'a peer that reads nothing costs a bounded memory, and hears what it missed when it reads again',
  { timeout: 120_000 },
  async () => {
    rig.open([slot]);
    await rig.nth('DBIRTH');
    rig.tap.isDeaf = true;
    const long = 'x'.repeat(2000);
    for (let i = 0; i < 20_000; i++) slot.sees(`${i} ${long}`);
    const { queued, dropped } = rig.output.status;
    expect(queued).toBeLessThanOrEqual(10_000);
    expect(dropped).toBeGreaterThan(0);
    rig.tap.isDeaf = false;
    rig.tap.cut();
    await rig.nth('NBIRTH', 2);
    await eventually(() => rig.output.status.queued === 0);
    await says('Class', `19999 ${long}`);
    await says('Output/Dropped', rig.output.status.dropped);
  },
);
