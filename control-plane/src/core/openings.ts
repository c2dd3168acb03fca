import type { Time } from './rollout-state.js';

/** From `from` on, up to `to`, which is outside. */
export type Span = Readonly<{ from: Time; to: Time }>;
/** The first span that ends after `at`: it is open then, or opens next. Undefined: none comes any more. */
export type Openings = (at: Time) => Span | undefined;

export const always: Openings = () => ({ from: -Infinity, to: Infinity });
/** Windows that never meet, year after year, would be looked at for ever. */
const mostLooks = 2000;

/** Open while any of them is. */
export const anyOf =
  (all: readonly Openings[]): Openings =>
  (at) => {
    const spans = all.flatMap((openings) => openings(at) ?? []);
    const from = Math.min(...spans.map((span) => span.from));
    return spans.length === 0 ? undefined : joined(spans, from);
  };

/** The span that begins first, and what overlaps it. */
function joined(spans: readonly Span[], from: Time): Span {
  const inOrder = spans.toSorted((a, b) => a.from - b.from);
  const to = inOrder.reduce((end, span) => (span.from <= end ? Math.max(end, span.to) : end), from);
  return { from, to };
}

/** Open while all of them are. */
export const allOf =
  (all: readonly Openings[]): Openings =>
  (at) => {
    let look = at;
    for (let looks = 0; looks < mostLooks; looks++) {
      const spans = all.map((openings) => openings(look));
      if (!spans.every((span) => span !== undefined)) return undefined;
      const from = Math.max(-Infinity, ...spans.map((span) => span.from));
      const to = Math.min(Infinity, ...spans.map((span) => span.to));
      if (from < to) return { from, to };
      look = from;
    }
    return undefined;
  };

/** Open but for these spans. */
export const outside =
  (closed: readonly Span[]): Openings =>
  (at) => {
    let from = -Infinity;
    for (const span of closed.toSorted((a, b) => a.from - b.from)) {
      if (span.from > from && span.from > at) return { from, to: span.from };
      from = Math.max(from, span.to);
    }
    return { from, to: Infinity };
  };

export const isOpen = (openings: Openings, at: Time): boolean => (openings(at)?.from ?? Infinity) <= at;
