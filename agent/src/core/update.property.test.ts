import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whyBlocked } from './blocked.js';
import * as slot from './slot-play.js';
import { asTold, freshSlot, type SlotEffect, type SlotEvent, type SlotState } from './slot-state.js';
import { reduceUpdate } from './update.js';

const anyMove = fc.oneof(
  fc.constantFrom('a', 'b', 'c').chain((letter) => fc.integer({ min: 1, max: 9 }).map((n) => slot.want(letter, n))),
  fc
    .constantFrom('a', 'b', 'c')
    .chain((bad) => fc.constantFrom('a', 'b', 'c').map((good) => slot.blocking(bad, slot.want(good)))),
  fc.constantFrom('a', 'b', 'c').map((bad) => slot.blocking(bad)),
  fc.constantFrom(
    slot.wantNothing,
    slot.shutdown,
    slot.stopped,
    slot.resolved,
    slot.downloading,
    slot.waiting,
    slot.downloaded,
    slot.preflighting,
    slot.preflighted,
    slot.allowed,
    slot.wantAt('b', { after: 1 }),
    slot.wantAt('b', { hold: true }),
    slot.activated,
    slot.servingIsUp,
    slot.booted(1),
    slot.booted(9),
  ),
  fc.constantFrom('golden' as const, 'transport' as const, 'interrupted' as const).map((failure) => slot.fails(failure)),
  fc.constantFrom('rejected' as const, 'swap-failed' as const).map((type) => slot.fails('incompatible', type)),
  fc.tuple(fc.nat(40), fc.nat(10), fc.nat(6), fc.nat(2000)).map(([ok, errors, run, at]) => slot.beats(ok, errors, run, at)),
  fc.boolean().map((outside) => slot.dies({ outside })),
  fc.nat(300).map((at) => slot.servingDies(at)),
  fc.nat(40).map((ok) => slot.servingBeats(ok)),
);
/** Mostly on the way to a commit, so that the later states are visited as well. */
const anyStory = fc.array(
  fc.oneof(
    anyMove.map((move) => [move]),
    fc.constantFrom('a', 'b', 'c').map((letter) => slot.commits(letter)),
    fc.constant(slot.toProbation),
  ),
  { maxLength: 25 },
);

type Taken = { before: SlotState; event: SlotEvent; after: SlotState; effects: readonly SlotEffect[] };
function tell(moves: readonly slot.Move[]): Taken[] {
  let state = freshSlot;
  return moves.flatMap((move) => {
    const event = move(state);
    const step = reduceUpdate(state, event);
    if ('refused' in step) return [];
    const taken = { before: state, event, after: step.state, effects: step.effects };
    state = step.state;
    return [taken];
  });
}
const always = (holds: (taken: Taken[]) => void) =>
  fc.assert(
    fc.property(anyStory, (story) => holds(tell(story.flat()))),
    { numRuns: 500 },
  );
const starts = (effects: readonly SlotEffect[]) => effects.filter((e) => e.type === 'activate' || e.type === 'serve');

describe('whatever happens to a slot', () => {
  it('a blocked release is never started again, nor is there a way back to it', () =>
    always((taken) => {
      for (const { after, effects } of taken) {
        const blocked = new Set(after.blocked?.map((each) => each.digest));
        for (const effect of effects) if (effect.type === 'serve') expect(blocked).not.toContain(effect.release.digest);
        if (after.previous) expect(blocked).not.toContain(after.previous.digest);
      }
    }));

  it('no step starts more than one runner, and no number is given twice', () =>
    always((taken) => {
      const runs = taken.flatMap(({ effects }) => {
        expect(starts(effects).length).toBeLessThanOrEqual(1);
        return starts(effects).map((e) => e.run);
      });
      expect(new Set(runs).size).toBe(runs.length);
    }));

  it('the runner that was started last is the one that the state stands by', () =>
    always((taken) => {
      for (const { after, effects } of taken) {
        const [start] = starts(effects);
        if (start?.type === 'serve') expect(after.serving.run).toBe(start.run);
        if (start?.type === 'activate') expect(after.update).toMatchObject({ state: 'staged', run: start.run });
      }
    }));

  it('only a release that proved itself is served again', () =>
    always((taken) => {
      const proven = new Set<string>();
      for (const { before, event, after, effects } of taken) {
        for (const e of effects) if (e.type === 'serve') expect(proven).toContain(e.release.digest);
        const isNew = after.committed && after.committed.digest !== before.committed?.digest;
        if (isNew && before.update.state === 'probation') proven.add(after.committed!.digest);
        if (isNew) expect(proven).toContain(after.committed!.digest);
        if (isNew) expect(['heartbeat', 'died']).toContain(event.type);
      }
    }));

  it('the committed digest is lost only when the slot is taken from the desired state, or the release blocked', () =>
    always((taken) => {
      for (const { before, event, after } of taken) {
        if (!before.committed || after.committed || whyBlocked(after, before.committed.digest) !== undefined) continue;
        expect(event).toMatchObject({ type: 'desired' });
        expect(event).not.toHaveProperty('target');
      }
    }));

  it('the same event a second time starts nothing', () =>
    always((taken) => {
      for (const { event, after } of taken) {
        if (event.type === 'booted') continue; // a second boot is a second start
        const again = reduceUpdate(after, event);
        if ('refused' in again) continue;
        expect(starts(again.effects)).toEqual([]);
      }
    }));

  it('a start of the supervisor serves the committed release first, and forgets no update', () =>
    always((taken) => {
      for (const { before } of taken) {
        const step = reduceUpdate(before, { type: 'booted', boots: 1 });
        if ('refused' in step) throw new Error(step.refused);
        const allowed = whyBlocked(before, before.committed?.digest) === undefined ? before.committed : undefined;
        expect(starts(step.effects).map((e) => e.type)).toEqual(allowed ? ['serve'] : []);
        expect(step.state.committed).toEqual(allowed);
        const deployment = (s: SlotState) => (s.update.state === 'idle' ? undefined : s.update.target.deployment);
        expect(deployment(step.state)).toBe(deployment(before));
      }
    }));

  it('what is held begins no runner, and takes over only from there', () =>
    always((taken) => {
      for (const { before, event, after, effects } of taken) {
        if (after.update.state === 'held' && event.type !== 'booted')
          expect(starts(effects).map((e) => e.type)).not.toContain('activate');
        if (event.type === 'allowed') expect([before.update.state, after.update.state]).toEqual(['held', 'staged']);
      }
    }));

  it('every move of the update is reported, once', () =>
    always((taken) => {
      for (const { before, event, after, effects } of taken) {
        if (event.type === 'shutdown' || before.update === after.update) continue;
        // Another time for the same deployment, before it matters, is no move.
        if (event.type === 'desired' && before.update.state === after.update.state && after.update.state !== 'held') continue;
        const reports = effects.filter((e) => e.type === 'report');
        expect(reports.map((r) => r.state)).toEqual([asTold(after.update.state)]);
      }
    }));
});
