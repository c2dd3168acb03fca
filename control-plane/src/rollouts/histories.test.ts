import { readdirSync, readFileSync } from 'node:fs';
import { RolloutPlan } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { reduceRollout, type RolloutEffect, type RolloutEvent, type RolloutState } from '../core/rollout.js';
import { restored, type StoredState } from '../core/stored-state.js';

/**
 * Rollouts as this version and earlier ones wrote them down. What is here is never changed: a later version that reads a plan, or
 * decides an event, in another way would send fleets that are under way somewhere else.
 */
type History = {
  about: string;
  plan: unknown;
  rows: { event: RolloutEvent; state: StoredState; effects: RolloutEffect[] }[];
};
/** Sentences for people may be put better. */
const withoutWords = (decided: unknown): unknown =>
  JSON.parse(JSON.stringify(decided, (key, value: unknown) => (key === 'detail' ? undefined : value)));
const folder = new URL('../core/histories/', import.meta.url);
const histories = readdirSync(folder).map((file): [string, History] => [
  file.replace('.json', ''),
  JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as History,
]);

describe.each(histories)('the recorded rollout "%s"', (_file, { about, plan: written, rows }) => {
  it(`is decided as it was: ${about}`, () => {
    const plan = RolloutPlan.parse(written);
    let before: RolloutState = { phase: 'draft' };
    for (const { event, state, effects } of rows) {
      expect(withoutWords(reduceRollout(plan, before, event))).toEqual(withoutWords({ state: restored(state), effects }));
      // From what was stored, not from what was computed: a restart may come between any two events.
      before = restored(state);
    }
  });
});

it('there are some', () => expect(histories.length).toBeGreaterThan(4));
