import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstHandshake, type Handshake, type HandshakeEvent, type HandshakeRules, reduceHandshake } from './inspection.js';

const rules: HandshakeRules = { timeoutMs: 1000 };
const patient: HandshakeRules = { timeoutMs: 1000, acknowledgeMs: 300 };

/** What was refused leaves the state as it was. */
function play(events: readonly HandshakeEvent[], by = rules): { handshake: Handshake; refused: string[] } {
  const refused: string[] = [];
  let handshake = firstHandshake;
  for (const event of events) {
    const step = reduceHandshake(handshake, event, by);
    if ('refused' in step) refused.push(step.refused);
    else handshake = step.handshake;
  }
  return { handshake, refused };
}

const command = (id: string, at = 0): HandshakeEvent => ({ type: 'command', id, at });
const captured = (id: string): HandshakeEvent => ({ type: 'captured', id });
const result = (id: string, at = 100): HandshakeEvent => ({ type: 'result', id, at });
const failure = (id: string, at = 100): HandshakeEvent => ({ type: 'failure', id, at, reason: 'the picture is broken' });
const acknowledge = (id: string): HandshakeEvent => ({ type: 'acknowledge', id });
const tick = (at: number): HandshakeEvent => ({ type: 'tick', at });

describe('an inspection', () => {
  it('begins with a command, is captured, and ends with its result', () => {
    expect(play([command('a')]).handshake).toEqual({ state: 'busy', sequence: 1, id: 'a', capturing: true, until: 1000 });
    expect(play([command('a'), captured('a')]).handshake).toMatchObject({ state: 'busy', capturing: false });
    expect(play([command('a'), captured('a'), result('a')]).handshake).toEqual({ state: 'done', sequence: 1, id: 'a' });
  });

  it('refuses a second command while it is busy', () =>
    expect(play([command('a'), command('b')])).toMatchObject({
      handshake: { state: 'busy', id: 'a' },
      refused: ['busy with a: send the next command when its result is there'],
    }));

  it('takes the next command at once where no acknowledgement is asked for', () => {
    expect(play([command('a'), result('a'), command('b', 200)]).handshake).toMatchObject({ state: 'busy', id: 'b', sequence: 2 });
    expect(play([command('a'), failure('a'), command('b', 200)]).handshake).toMatchObject({
      state: 'busy',
      id: 'b',
      sequence: 2,
    });
  });

  it.each([
    ['result', result('a')],
    ['error', failure('a')],
  ])('waits for the acknowledgement of its %s where one is asked for', (what, end) => {
    expect(play([command('a'), end, command('b', 200)], patient).refused).toEqual([`the ${what} of a is not acknowledged yet`]);
    expect(play([command('a'), end, acknowledge('a'), command('b', 200)], patient).handshake).toMatchObject({
      state: 'busy',
      id: 'b',
    });
  });

  it('goes on when nobody acknowledges', () => {
    expect(play([command('a'), result('a', 100), tick(399)], patient).handshake.state).toBe('done');
    expect(play([command('a'), result('a', 100), tick(400)], patient).handshake).toEqual({ state: 'ready', sequence: 1 });
  });

  it('ends in an error when its time is over, and says what was missing', () => {
    expect(play([command('a'), tick(999)]).handshake.state).toBe('busy');
    expect(play([command('a'), tick(1000)]).handshake).toMatchObject({
      state: 'error',
      reason: 'the source had no picture within 1000 ms',
    });
    expect(play([command('a'), captured('a'), tick(1000)]).handshake).toMatchObject({
      state: 'error',
      reason: 'there was no result within 1000 ms',
    });
    expect(play([command('a'), captured('a'), { type: 'tick', at: 1000, trouble: 'no runner listens' }]).handshake).toMatchObject(
      {
        reason: 'there was no result within 1000 ms: no runner listens',
      },
    );
  });

  it('fails with the reason that is given', () =>
    expect(play([command('a'), failure('a')]).handshake).toMatchObject({
      state: 'error',
      id: 'a',
      reason: 'the picture is broken',
    }));

  it("is never answered with another's result", () => {
    const { handshake, refused } = play([command('a'), tick(1000), command('b', 1001), captured('a'), result('a'), failure('a')]);
    expect(handshake).toMatchObject({ state: 'busy', id: 'b', capturing: true });
    expect(refused).toHaveLength(3);
  });

  it('is acknowledged by its own id only, and once there is something to acknowledge', () => {
    expect(play([acknowledge('a')])).toEqual({ handshake: firstHandshake, refused: [] });
    expect(play([command('a'), acknowledge('a')]).refused).toEqual(['a has no result yet']);
    expect(play([command('a'), result('a'), acknowledge('b')]).refused).toEqual([
      'b is not what there is to acknowledge; that is a',
    ]);
  });

  it('in any order of events: a result ends the inspection that it is of, and the sequence only counts up', () => {
    const id = fc.constantFrom('a', 'b', 'c');
    const at = fc.nat(3000);
    const anEvent: fc.Arbitrary<HandshakeEvent> = fc.oneof(
      fc.record({ type: fc.constant('command' as const), id, at }),
      fc.record({ type: fc.constant('captured' as const), id }),
      fc.record({ type: fc.constant('result' as const), id, at }),
      fc.record({ type: fc.constant('failure' as const), id, at, reason: fc.constant('broken') }),
      fc.record({ type: fc.constant('acknowledge' as const), id }),
      fc.record({ type: fc.constant('tick' as const), at }),
    );
    fc.assert(
      fc.property(fc.array(anEvent), fc.constantFrom(rules, patient), (events, by) => {
        let before = firstHandshake;
        for (const event of events) {
          const step = reduceHandshake(before, event, by);
          if ('refused' in step) continue;
          const after = step.handshake;
          if (after.state === 'done' && before.state !== 'done')
            expect(before).toMatchObject({ state: 'busy', id: after.id, sequence: after.sequence });
          expect(after.sequence - before.sequence).toBe(event.type === 'command' ? 1 : 0);
          before = after;
        }
      }),
    );
  });
});
