import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ledger } from './ledger.js';

const drain = (ledger: Ledger<number>): number[] => {
  const told: number[] = [];
  for (let next = ledger.peek(); next !== undefined; next = ledger.peek()) {
    told.push(next);
    ledger.advance();
  }
  return told;
};

it('tells again what no ping has proven, before what came later', () => {
  const ledger = new Ledger<number>();
  for (const n of [1, 2]) ledger.push(n, 1);
  drain(ledger);
  ledger.pinged();
  ledger.push(3, 1);
  drain(ledger);
  ledger.proven();
  ledger.push(4, 1);
  expect([ledger.unproven, ledger.waiting, ledger.sent]).toEqual([1, 1, 3]);
  ledger.unsend();
  expect(drain(ledger)).toEqual([3, 4]);
  expect([ledger.sent, ledger.dropped]).toEqual([4, 0]);
});

it('an answer proves no more than what was sent before its own ping', () => {
  const ledger = new Ledger<number>();
  ledger.push(1, 1);
  drain(ledger);
  ledger.pinged();
  ledger.push(2, 1);
  drain(ledger);
  ledger.pinged();
  ledger.proven();
  expect([ledger.unproven, ledger.isProving]).toEqual([1, true]);
  ledger.proven();
  expect([ledger.unproven, ledger.isProving]).toEqual([0, false]);
});

it('gives up the oldest for want of room, and counts what was lost for certain', () => {
  const ledger = new Ledger<number>({ count: 3, bytes: 1000 });
  for (const n of [1, 2, 3, 4]) ledger.push(n, 1);
  expect(ledger.dropped).toBe(1);
  expect(drain(ledger)).toEqual([2, 3, 4]);
  ledger.push(5, 1);
  ledger.push(6, 990);
  // 2, 3 and 4 were sent: they are lost only if the connection falls before a ping is answered.
  expect(ledger.dropped).toBe(1);
  ledger.push(7, 990);
  ledger.unsend();
  expect([ledger.dropped, drain(ledger)]).toEqual([6, [7]]);
});

it('loses nothing while there is room, whatever happens in whichever order', () => {
  const step = fc.constantFrom('push', 'send', 'ping', 'pong', 'cut');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const ledger = new Ledger<number>();
      const arrived: number[] = [];
      let onTheWay: (number | 'ping')[] = [];
      let pushed = 0;
      for (const what of steps) {
        if (what === 'push') ledger.push(pushed++, 10);
        if (what === 'send' && ledger.peek() !== undefined) {
          onTheWay.push(ledger.peek()!);
          ledger.advance();
        }
        if (what === 'ping') {
          onTheWay.push('ping');
          ledger.pinged();
        }
        // The broker reads up to the next ping and answers it.
        if (what === 'pong' && onTheWay.includes('ping')) {
          const read = onTheWay.splice(0, onTheWay.indexOf('ping') + 1);
          arrived.push(...read.filter((its) => its !== 'ping'));
          ledger.proven();
        }
        if (what === 'cut') {
          onTheWay = [];
          ledger.unsend();
        }
      }
      arrived.push(...onTheWay.filter((its) => its !== 'ping'), ...drain(ledger));
      expect(new Set(arrived)).toEqual(new Set(Array.from({ length: pushed }, (_, i) => i)));
      expect(arrived).toEqual(arrived.toSorted((a, b) => a - b));
    }),
  );
});

it('keeps nothing of what is long gone', () => {
  const ledger = new Ledger<number>({ count: 10, bytes: 1000 });
  for (let n = 0; n < 5000; n++) ledger.push(n, 1);
  expect(ledger.waiting).toBe(10);
  ledger.pinged();
  expect(drain(ledger)).toEqual(Array.from({ length: 10 }, (_, i) => 4990 + i));
});
