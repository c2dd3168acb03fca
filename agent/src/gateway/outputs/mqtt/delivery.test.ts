import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Carrier, Delivery } from './delivery.js';

type Sent = { n: number; historical: boolean; done: () => void };
const message = (n: number) => JSON.stringify({ n });

/** A connection that takes messages when a test says so. */
function aConnection() {
  const sent: Sent[] = [];
  const carrier: Carrier = (json, done) => void sent.push({ ...(JSON.parse(json) as { n: number; historical: boolean }), done });
  return { sent, carrier, numbers: () => sent.map(({ n }) => n) };
}

describe('a delivery', () => {
  it('has sixteen on the way at most, and the next when one is taken', () => {
    const delivery = new Delivery();
    const { sent, carrier, numbers } = aConnection();
    delivery.up(carrier);
    for (let n = 0; n < 20; n++) delivery.add(message(n));
    expect(numbers()).toEqual(Array.from({ length: 16 }, (_, n) => n));
    sent[3]!.done();
    expect(numbers().at(-1)).toBe(16);
    expect(delivery.counts).toEqual({ sent: 1, queued: 19, dropped: 0 });
  });

  it('sends again, in order and as history, what an ended connection did not take', () => {
    const delivery = new Delivery();
    const first = aConnection();
    delivery.up(first.carrier);
    for (const n of [1, 2, 3]) delivery.add(message(n));
    first.sent[1]!.done();
    delivery.down();
    delivery.add(message(4));
    const second = aConnection();
    delivery.up(second.carrier);
    delivery.add(message(5));
    // The old connection has nothing to say any more.
    first.sent[0]!.done();
    expect(second.sent.map(({ n, historical }) => [n, historical])).toEqual([
      [1, true],
      [3, true],
      [4, true],
      [5, false],
    ]);
    expect(delivery.counts).toEqual({ sent: 1, queued: 4, dropped: 0 });
  });

  it('calls history what waited behind others, and says how long the peer owes an answer', () => {
    let now = 0;
    const delivery = new Delivery(undefined, () => now);
    const { sent, carrier } = aConnection();
    delivery.up(carrier);
    for (let n = 0; n < 17; n++) delivery.add(message(n));
    now = 1500;
    expect(delivery.owedMs).toBe(1500);
    sent[0]!.done();
    expect([sent[0]!.historical, sent[16]!.historical]).toEqual([false, true]);
  });

  it('is drained when the last one is taken', async () => {
    const delivery = new Delivery();
    const { sent, carrier } = aConnection();
    delivery.up(carrier);
    delivery.add(message(1));
    let isDrained = false;
    const drained = delivery.drained().then(() => (isDrained = true));
    await Promise.resolve();
    expect(isDrained).toBe(false);
    sent[0]!.done();
    await drained;
    await delivery.drained();
  });

  it('loses nothing within its bounds and puts nothing before what is older, whatever the connections do', () => {
    const step = fc.oneof(
      fc.constant('add' as const),
      fc.constant('take' as const),
      fc.constant('down' as const),
      fc.constant('up' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const delivery = new Delivery({ count: 10_000, bytes: 10_000_000 });
        const taken: number[] = [];
        let connection = aConnection();
        let place = 0;
        let added = 0;
        const takeNext = () => {
          const next = connection.sent[place];
          if (!next) return;
          place += 1;
          taken.push(next.n);
          next.done();
        };
        const connect = () => {
          delivery.down();
          connection = aConnection();
          place = 0;
          delivery.up(connection.carrier);
        };
        for (const each of steps) {
          if (each === 'add') delivery.add(message(added++));
          else if (each === 'take') takeNext();
          else if (each === 'up') connect();
          else {
            delivery.down();
            connection = aConnection();
            place = 0;
          }
        }
        connect();
        while (connection.sent[place]) takeNext();
        expect(taken).toEqual(Array.from({ length: added }, (_, n) => n));
        expect(delivery.counts).toEqual({ sent: added, queued: 0, dropped: 0 });
      }),
    );
  });
});
