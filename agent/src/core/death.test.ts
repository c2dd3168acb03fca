import { expect, it } from 'vitest';
import { causeOfDeath, type Death, type Exit } from './death.js';

const exit: Exit = { code: null, signal: null, outOfMemory: false };
const hang = { failure: 'crash', reason: 'no heartbeat' } as const;

it.each<[string, Partial<Exit>, Partial<Death>]>([
  ['an exit code is a crash', { code: 3 }, { failure: 'crash', outside: false, reason: 'the runner exited with 3 unasked' }],
  ['an exit with 0 that nobody asked for is a crash', { code: 0 }, { failure: 'crash', outside: false }],
  ['a fault signal is a crash', { signal: 'SIGSEGV' }, { failure: 'crash', outside: false }],
  ['an abort is a crash', { signal: 'SIGABRT' }, { failure: 'crash', outside: false }],
  [
    'SIGTERM comes from outside',
    { signal: 'SIGTERM' },
    { failure: 'crash', outside: true, reason: 'the runner ended by SIGTERM' },
  ],
  ['SIGKILL comes from outside', { signal: 'SIGKILL' }, { failure: 'crash', outside: true }],
  [
    'SIGKILL for want of memory is the release’s own doing',
    { signal: 'SIGKILL', outOfMemory: true },
    { failure: 'memory', outside: false },
  ],
  ['SIGTERM while memory is short still comes from outside', { signal: 'SIGTERM', outOfMemory: true }, { outside: true }],
  ['what the supervisor ended has its reason', { signal: 'SIGKILL', endedFor: hang }, { ...hang, outside: false }],
])('%s', (_name, part, death) => expect(causeOfDeath({ ...exit, ...part })).toMatchObject(death));
