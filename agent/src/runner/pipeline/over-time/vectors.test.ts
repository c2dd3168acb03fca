import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { debounce } from './debounce.js';
import { hysteresis } from './hysteresis.js';
import { segments } from './segments.js';
import type { Step } from './step.js';
import { isoOf } from './verdict.js';
import { vote } from './vote.js';

const held = { held: z.array(z.string().nullable()), since: z.array(z.number().nullable()) };
const Vectors = z.object({
  times: z.array(z.number()),
  scores: z.array(z.number()),
  labels: z.array(z.string()),
  hysteresis: z.array(z.object({ on: z.number(), off: z.number(), sure: z.int(), ...held })),
  vote: z.array(z.object({ of: z.int(), atLeast: z.int(), ...held })),
  debounce: z.array(z.object({ frames: z.int().optional(), ms: z.int().optional(), ...held })),
  segments: z.array(z.object({ minMs: z.int(), gapMs: z.int(), found: z.array(z.tuple([z.number(), z.number()])) })),
});
/** What make-over-time.py wrote: exact. */
const vectors = Vectors.parse(JSON.parse(readFileSync(new URL('../fixtures/over-time.json', import.meta.url), 'utf8')));
const { times, scores, labels } = vectors;

/** One answer after the other; what is remembered goes through JSON in between, as it does on its way. */
function through<S>(step: (before: S | undefined, i: number) => Step<S>): Step<S>[] {
  let state: S | undefined;
  return times.map((_, i) => {
    const done = step(state, i);
    state = JSON.parse(JSON.stringify(done.state)) as S;
    return done;
  });
}
type Held = { held: readonly (string | null)[]; since: readonly (number | null)[] };
function expectHeld(steps: readonly Step<unknown>[], { held: expected, since }: Held): void {
  const decisions = steps.map(({ found }) => found.decision);
  expect(decisions.map((decision) => decision?.label ?? null)).toEqual(expected);
  expect(decisions.map((decision) => decision?.since ?? null)).toEqual(since.map((at) => (at === null ? null : isoOf(at))));
  const changes = expected.map((label, i) => label !== null && label !== (expected[i - 1] ?? null));
  expect(decisions.map((decision) => decision?.changed ?? false)).toEqual(changes);
}

describe.each(vectors.hysteresis)('hysteresis on from $on, off below $off', ({ on, off, sure, ...expected }) => {
  const options = { on, off, label: 'on', otherwise: 'off' };
  const steps = through<never>((before, i) => hysteresis(options, before, scores[i]!, times[i]!) as never);
  test('decides as the reference', () => expectHeld(steps, expected));
  test('is certain from the first score on that says anything', () => {
    expect(steps.map(({ certain }) => certain).indexOf(true)).toBe(sure);
    expect(steps.slice(sure).every(({ certain }) => certain)).toBe(true);
  });
});

describe.each(vectors.vote)('a vote of $atLeast among $of', ({ of, atLeast, ...expected }) => {
  const steps = through<never>((before, i) => vote({ of, atLeast }, before, { label: labels[i]! }, times[i]!) as never);
  test('decides as the reference', () => expectHeld(steps, expected));
  test('is certain when all have voted', () => expect(steps.map(({ certain }) => certain).indexOf(true)).toBe(of - 1));
  test('is none until the first majority', () =>
    expect(steps.map(({ undecided = false }) => undecided)).toEqual(expected.held.map((label) => label === null)));
});

describe.each(vectors.debounce)('debounced over $frames frames or $ms ms', ({ frames, ms, ...expected }) => {
  const steps = through<never>((before, i) => debounce({ frames, ms }, before, { label: labels[i]! }, times[i]!) as never);
  test('it decides as the reference', () => expectHeld(steps, expected));
});

describe.each(vectors.segments)('segments of $minMs ms at least, gaps of $gapMs', ({ found, ...options }) => {
  const steps = through<never>((before, i) => segments({ of: 'scratch', ...options }, before, labels[i]!, times[i]!) as never);
  const told = steps.flatMap(({ found: { segment } }) => segment ?? []);
  test('are those of the reference', () =>
    expect(told.flatMap(({ onset, end }) => (end ? [[onset, end]] : []))).toEqual(found.map((pair) => pair.map(isoOf))));
  test('are told of while they go on, and end once', () => {
    const onsets = [...new Set(told.map(({ onset }) => onset))];
    for (const onset of onsets.slice(0, -1)) {
      const of = told.filter((segment) => segment.onset === onset);
      expect(of.flatMap(({ end }, i) => (end ? [i] : []))).toEqual([of.length - 1]);
    }
  });
});

test('a clock that is set back lets nothing have stood for longer', () => {
  const first = debounce({ ms: 100 }, undefined, { label: 'a' }, 1_000_000).state;
  const later = debounce({ ms: 100 }, first, { label: 'a' }, 500_000);
  expect(later.undecided).toBe(true);
  expect(debounce({ ms: 100 }, later.state, { label: 'a' }, 500_099).undecided).toBe(true);
  expect(debounce({ ms: 100 }, later.state, { label: 'a' }, 500_100).found.decision).toMatchObject({ label: 'a', changed: true });
});
