import { OutputsConfig, SlotName } from '@flotilla/protocol';
import { expect, it } from 'vitest';
import { peersOf } from './peers.js';

const configured = (slot: string, outputs?: object) => ({
  slot: SlotName.parse(slot),
  outputs: outputs && OutputsConfig.parse(outputs),
});

it('gives slots that describe the same peer one, and others their own', () => {
  const peers = peersOf([
    configured('left', { opcua: { anonymous: 'read' }, webhook: { url: 'http://127.0.0.1/a' } }),
    configured('right', { opcua: { port: 4840, anonymous: 'read' }, webhook: { url: 'http://127.0.0.1/b' } }),
    configured('none'),
  ]);
  expect(peers.map(({ kind, slots }) => [kind, slots.map(({ slot }) => slot)])).toEqual([
    ['opcua', ['left', 'right']],
    ['webhook', ['left']],
    ['webhook', ['right']],
  ]);
});
