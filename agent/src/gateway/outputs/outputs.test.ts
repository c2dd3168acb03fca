import { SlotName } from '@flotilla/protocol/device';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aLog, eventually } from '../../fixtures/eventually.js';
import { GatewaySlot } from '../../gateway-protocol.js';
import { Outputs } from './outputs.js';
import { SlotPort } from './slot-port.js';
import { Rig } from './sparkplug/fixtures/rig.js';

let rig: Rig;
let outputs: Outputs;
const ports = new Map<string, SlotPort>();
beforeEach(async () => {
  rig = new Rig();
  await rig.start();
  outputs = new Outputs({ port: portOf, log: aLog() });
});
afterEach(async () => {
  await outputs.stop();
  for (const port of ports.values()) port.close();
  await rig.stop();
});

function portOf(slot: SlotName): SlotPort {
  const port = ports.get(slot) ?? new SlotPort(slot);
  ports.set(slot, port);
  return port;
}
const configure = (...slots: string[]) =>
  outputs.configure({
    slots: slots.map((slot) =>
      GatewaySlot.parse({ slot, socket: '/x', outputs: { sparkplug: { url: `mqtt://127.0.0.1:${rig.port}`, group: 'plant' } } }),
    ),
    device: 'cell',
    dataDir: rig.folder,
  });

test('a slot that comes or goes does not disturb those that stay with their peer', async () => {
  await configure('left', 'right');
  await rig.nth('DBIRTH', 2);
  await configure('right', 'third');
  await eventually(() => rig.of('DBIRTH').some(({ topic }) => topic.endsWith('/third')));
  expect(rig.of('DDEATH').map(({ topic }) => topic)).toEqual(['spBv1.0/plant/DDEATH/cell/left']);
  expect(rig.of('NBIRTH')).toHaveLength(1);
  expect(outputs.views).toMatchObject([{ kind: 'sparkplug', slots: ['right', 'third'], state: 'running' }]);
  await configure();
  await rig.nth('NDEATH');
  expect(outputs.views).toEqual([]);
});
