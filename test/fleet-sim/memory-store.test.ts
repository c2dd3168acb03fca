import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coarsen } from '@flotilla/agent/supervisor/outbox-coarsen';
import { OutboxStore } from '@flotilla/agent/supervisor/outbox-store';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemoryStore, type RecordStore } from './memory-store.js';

type Move =
  | { do: 'append'; class: 'event' | 'window'; n: number }
  | { do: 'send'; class: 'event' | 'window' }
  | { do: 'ack'; share: number }
  | { do: 'wait'; s: number }
  | { do: 'again' };

const recordClass = fc.constantFrom('event' as const, 'window' as const);
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ do: fc.constant('append' as const), class: recordClass, n: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constant('send' as const), class: recordClass }),
  fc.record({ do: fc.constant('ack' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ do: fc.constant('wait' as const), s: fc.integer({ min: 0, max: 100 }) }),
  fc.record({ do: fc.constant('again' as const) }),
);

it('sends what the outbox with a file sends, in the same order and under the same numbers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-stores-'));
  let files = 0;
  try {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
        expect(played(moves, inMemory)).toEqual(played(moves, (now) => inFile(join(folder, `${++files}.db`), now)));
      }),
      { numRuns: 30 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const inMemory = (now: () => number): RecordStore =>
  new MemoryStore({ maxRecords: 10_000, now, random: () => 0.5, onDropped: () => {} });
const inFile = (file: string, now: () => number): RecordStore =>
  new OutboxStore({
    file,
    thumbprint: 'a-key',
    limits: { maxBytes: 2 ** 20, maxAgeS: 1e9 },
    coarsen,
    now,
    random: () => 0.5,
    onAlarm: () => {},
  });

function played(moves: readonly Move[], open: (now: () => number) => RecordStore): unknown[] {
  let now = 1000;
  const store = open(() => now);
  let body = 0;
  const told: unknown[] = [];
  for (const each of moves) {
    if (each.do === 'append')
      store.append(Array.from({ length: each.n }, () => ({ class: each.class, body: JSON.stringify({ n: body++ }) })));
    else if (each.do === 'send') told.push(store.nextBatch(each.class, { maxBytes: 24, maxRecords: 3 }));
    else if (each.do === 'ack') store.ack({ upTo: Math.floor(each.share * store.state().next), ranges: [], refused: [] });
    else if (each.do === 'again') store.sendAgain();
    else now += each.s;
    const { next, base, records, bytes, unsent } = store.state();
    told.push({ next, base, records, bytes, unsent });
  }
  store.close();
  return told;
}
