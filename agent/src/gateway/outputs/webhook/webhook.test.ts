import { createHmac } from 'node:crypto';
import { describe, expect, it, test } from 'vitest';
import { Batches } from './batch.js';
import { retryAfterMs } from './post.js';
import { secretIn, webhookHeaders } from './signature.js';
import { verdictOf } from './verdict.js';

describe('a webhook is signed', () => {
  const signed = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: '1614265330', body: '{"test": 2432232314}' };

  it("as the specification's own example", () => {
    const secret = secretIn('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n', 'f');
    expect(webhookHeaders(signed, secret)).toEqual({
      'webhook-id': signed.id,
      'webhook-timestamp': signed.timestamp,
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('with any text of some length as it is, and with nothing too short', () => {
    const text = 'a secret of the line';
    const { id, timestamp, body } = signed;
    const own = createHmac('sha256', text).update(`${id}.${timestamp}.${body}`).digest('base64');
    expect(webhookHeaders(signed, secretIn(`${text}\n`, 'f'))['webhook-signature']).toBe(`v1,${own}`);
    expect(() => secretIn('short\n', '/etc/secret')).toThrow('/etc/secret holds a secret of 5 bytes');
    expect(webhookHeaders(signed, undefined)).not.toHaveProperty('webhook-signature');
  });
});

describe('an answer means', () => {
  const answer = { retryAfterMs: 0, location: undefined };
  test.each([
    [200, 'taken'],
    [204, 'taken'],
    [400, 'refused'],
    [401, 'again'],
    [404, 'refused'],
    [408, 'again'],
    [410, 'refused'],
    [413, 'refused'],
    [429, 'again'],
    [500, 'again'],
    [503, 'again'],
  ])('%i: %s', (status, is) => expect(verdictOf({ ...answer, status }).is).toBe(is));

  test('302: that the other address is to be named', () =>
    expect(verdictOf({ ...answer, status: 302, location: 'http://b/' })).toMatchObject({
      is: 'again',
      reason: 'it answers 302, which sends on to http://b/: name that address itself',
    }));

  test.each([
    [undefined, 0],
    ['7', 7000],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
    ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
    ['999999', 600_000],
    ['soon', 0],
  ])('retry-after: %s: %i ms', (text, ms) => expect(retryAfterMs(text, 10_000)).toBe(ms));
});

describe('what waits', () => {
  it('goes in requests of a bounded size, each named by its first', () => {
    const batches = new Batches();
    for (let n = 0; n < 250; n++) batches.add(`r-${n}`, '{"n":1}');
    batches.add('large', JSON.stringify({ text: 'x'.repeat(600_000) }));
    const taken = [batches.take(), batches.take(), batches.take(), batches.take()];
    expect(taken.map((batch) => batch && [batch.id, batch.items.length])).toEqual([
      ['r-0', 200],
      ['r-200', 50],
      ['large', 1],
      undefined,
    ]);
  });

  it('is history once it is a second old', () => {
    let now = 0;
    const batches = new Batches(undefined, () => now);
    batches.add('a', '{"n":1}');
    now = 1000;
    batches.add('b', '{"n":2}');
    now = 1001;
    const body = JSON.parse(batches.bodyOf(batches.take()!, new Date(0))) as object;
    expect(body).toEqual({
      type: 'flotilla.readings',
      timestamp: '1970-01-01T00:00:00.000Z',
      data: {
        readings: [
          { historical: true, n: 1 },
          { historical: false, n: 2 },
        ],
      },
    });
  });
});
