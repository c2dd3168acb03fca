import { OutputsConfig, SlotName } from '@flotilla/protocol/device';
import { expect, it } from 'vitest';
import { peersOf } from './peers.js';

const configured = (slot: string, outputs?: object) => ({
  slot: SlotName.parse(slot),
  outputs: outputs && OutputsConfig.parse(outputs),
});

it('gives slots that describe the same peer one, and others their own', () => {
  const peers = peersOf([
    configured('left', { opcua: { anonymous: 'read' }, webhook: { url: 'http://127.0.0.1/a' } }),
    configured('right', { opcua: { port: 4840, anonymous: 'read' }, webhook: { url: 'http://127.0.0.1/a' } }),
    configured('none'),
  ]);
  expect(peers.map(({ kind, slots }) => [kind, slots.map(({ slot }) => slot)])).toEqual([
    ['opcua', ['left', 'right']],
    ['webhook', ['left']],
    ['webhook', ['right']],
  ]);
});

it('lets no two slots publish on one topic', () => {
  const mqtt = (topic: string) => ({ mqtt: { url: 'mqtt://127.0.0.1', topic } });
  const peers = peersOf([
    configured('left', mqtt('line')),
    configured('right', mqtt('line')),
    configured('back', mqtt('{slot}')),
    configured('front', mqtt('{slot}')),
  ]);
  expect(peers.map(({ conflict }) => conflict)).toEqual([
    undefined,
    'the slot "right" has the topic line at mqtt://127.0.0.1, as "left" has: each slot needs its own',
    undefined,
    undefined,
  ]);
});
