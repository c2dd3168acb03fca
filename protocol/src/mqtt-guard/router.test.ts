import { expect, test } from 'vitest';
import { matches, Router } from './router.js';

const emit = (router: Router, topic: string) => new Promise<void>((resolve) => router.emit({ topic }, resolve));

test.each([
  ['fl/v1/+/+/up/#', 'fl/v1/default/dev-1/up/birth', true],
  ['fl/v1/+/+/up/#', 'fl/v1/default/dev-1/dn/birth', false],
  ['fl/v1/+/+/up/#', 'fl/v1/default/dev-1/up', true],
  ['fl/v1/+/+/up/#', 'fl/v1/default/dev-1', false],
  ['$SYS/+/heartbeat', '$SYS/a/heartbeat', true],
  ['a/+', 'a/b/c', false],
])('%s and %s: %s', (filter, topic, expected) => {
  expect(matches(filter, topic)).toBe(expected);
});

test('a packet reaches literal and wildcard subscribers, and none after they left', async () => {
  const router = new Router();
  const seen: string[] = [];
  const literal = (_: unknown, done: () => void) => (seen.push('literal'), done());
  const wildcard = (_: unknown, done: () => void) => (seen.push('wildcard'), done());
  router.on('fl/a/up/x', literal).on('fl/+/up/#', wildcard);
  await emit(router, 'fl/a/up/x');
  router.removeListener('fl/a/up/x', literal);
  await emit(router, 'fl/a/up/x');
  router.removeListener('fl/+/up/#', wildcard);
  await emit(router, 'fl/a/up/x');
  expect(seen).toEqual(['literal', 'wildcard', 'wildcard']);
});

test('who publishes what is awaited waits for the reader, who publishes anything else does not', async () => {
  const router = new Router((topic) => topic.includes('/up/'));
  const held: (() => void)[] = [];
  router.on('fl/+/up/#', (_, done) => held.push(done)).on('fl/a/dn/x', (_, done) => held.push(done));
  await emit(router, 'fl/a/dn/x');
  let done = false;
  const up = emit(router, 'fl/a/up/x').then(() => (done = true));
  await emit(router, 'fl/a/dn/x');
  expect(done).toBe(false);
  held[1]!();
  await up;
});

test('100,000 packets that nobody wants do not overflow the stack', async () => {
  const router = new Router();
  await Promise.all(Array.from({ length: 100_000 }, () => emit(router, 'fl/a/up/x')));
});
