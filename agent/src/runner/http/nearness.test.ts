import { expect, test } from 'vitest';
import { isOnThisDevice } from './nearness.js';

test.each<[string | undefined, string | undefined, boolean]>([
  [undefined, undefined, true],
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.2', '127.0.0.1', true],
  ['::1', '::1', true],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
  ['192.168.7.20', '192.168.7.20', true],
  ['192.168.7.21', '192.168.7.20', false],
  ['::ffff:192.168.7.21', '::ffff:192.168.7.20', false],
  ['fd00::21', 'fd00::20', false],
])('%s, seen from %s, is on this device: %s', (remoteAddress, localAddress, near) =>
  expect(isOnThisDevice({ remoteAddress, localAddress } as never)).toBe(near),
);
