import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockOn, decide, priorities, type Block } from './assignment.js';

const block = (change: Partial<Block> = {}): Block => ({
  id: 'k',
  digests: new Set(['b']),
  members: 'all',
  reason: 'it bites',
  ...change,
});
const { rollout, pin, kill } = priorities;
const runs = (digest: string, ended = false) => ({ current: { digest, deployment: '1' }, ended });
const want = (digest: string | null) => ({ device: 'd', digest });

describe('a wish', () => {
  it.each([
    ['for a release is a new deployment', want('b'), runs('a'), { what: 'place' }],
    ['for what is assigned keeps its deployment', want('a'), runs('a'), { what: 'keep', deployment: '1' }],
    ['for what the device has given up is tried again', want('a'), runs('a', true), { what: 'place' }],
    ['for nothing stops the slot', want(null), runs('a'), { what: 'stop' }],
    ['for nothing is nothing where there is nothing', want(null), { ended: false }, { what: 'nothing' }],
  ])('%s', (_, wish, standing, decision) => expect(decide(wish, rollout, standing, [])).toEqual(decision));
});

describe('a pin', () => {
  const pinned = { ...runs('a'), pinned: 'it is certified' };
  const refused = { what: 'refuse', why: 'pinned', reason: 'pinned: it is certified' };
  it.each([
    ['is not overruled by a rollout', want('b'), rollout, refused],
    ['keeps its slot from being stopped', want(null), rollout, refused],
    ['may be moved', want('b'), pin, { what: 'place' }],
    ['gives way to a kill', want('b'), kill, { what: 'place' }],
  ])('%s', (_, wish, priority, decision) => expect(decide(wish, priority, pinned, [])).toEqual(decision));
});

describe('a block', () => {
  const refused = { what: 'refuse', why: 'blocked', reason: 'the release was blocked: it bites' };
  it('speaks before all else: it refuses even a pin, and what is assigned already', () => {
    expect(decide(want('b'), pin, runs('a'), [block()])).toEqual(refused);
    expect(decide(want('b'), kill, { ...runs('b'), pinned: 'x' }, [block()])).toEqual(refused);
  });

  it('of a group holds for its members only', () => {
    const ofGroup = block({ members: new Set(['e']) });
    expect(decide(want('b'), rollout, runs('a'), [ofGroup])).toEqual({ what: 'place' });
    expect(decide({ device: 'e', digest: 'b' }, rollout, runs('a'), [ofGroup])).toEqual(refused);
  });

  it('stops no slot from being stopped', () => {
    expect(decide(want(null), rollout, runs('b'), [block()])).toEqual({ what: 'stop' });
  });

  const id = fc.constantFrom('a', 'b', 'c', 'd');
  const set = fc.array(id).map((all) => new Set(all));
  const blocks = fc.array(
    fc.record<Block>({ id: fc.constant('k'), digests: set, members: fc.oneof(set, fc.constant('all' as const)), reason: id }),
  );
  const standing = fc.record({
    current: fc.option(fc.record({ digest: id, deployment: id }), { nil: undefined }),
    ended: fc.boolean(),
    pinned: fc.option(id, { nil: undefined }),
  });

  it('is never got round: a blocked release is never offered, whoever wants it and wherever it stands', () =>
    fc.assert(
      fc.property(
        id,
        id,
        fc.constantFrom(...Object.values(priorities)),
        standing,
        blocks,
        (device, digest, priority, now, all) => {
          const { what } = decide({ device, digest }, priority, now, all);
          expect(what === 'refuse').toBe(
            all.some((b) => b.digests.has(digest) && (b.members === 'all' || b.members.has(device))) ||
              (now.pinned !== undefined && priority < priorities.pin),
          );
          if (what === 'place' || what === 'keep') expect(blockOn(all, device, digest)).toBeUndefined();
        },
      ),
    ));
});
