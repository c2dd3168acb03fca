import { binAmong } from '@flotilla/protocol/device';

type Bins = { edges: number[]; counts: number[] };

const inner = 10;
/** How far beyond what was seen a value may lie and not be a stranger: part of the whole range, and of a constant. */
const margin = { range: 0.05, constant: 0.01 };

/**
 * As many of the values in each bin, and one at each end for what is beyond them all: with equal shares a shift shows soonest, and what was
 * never seen is a count of its own. Undefined where no value is a number.
 */
export function binned(all: readonly number[]): Bins | undefined {
  const values = all.filter(Number.isFinite).toSorted((a, b) => a - b);
  const [least, greatest] = [values[0], values.at(-1)];
  if (least === undefined || greatest === undefined) return undefined;
  const beyond = marginOf(least, greatest);
  const between = Array.from({ length: inner - 1 }, (_, i) => values[Math.floor(((i + 1) * values.length) / inner)]!);
  const edges = rising([least - beyond, ...between, greatest + beyond].map((edge) => Number(edge.toPrecision(7))));
  const counts = [...edges, 0].map(() => 0);
  for (const value of values) counts[binAmong(edges, value)]! += 1;
  return { edges, counts };
}

/** Edges are rounded: a margin must be more than that may take. */
function marginOf(least: number, greatest: number): number {
  const magnitude = Math.max(Math.abs(least), Math.abs(greatest));
  if (greatest === least) return Math.max(magnitude * margin.constant, 1e-6);
  return Math.max((greatest - least) * margin.range, magnitude * 1e-6, 1e-30);
}

/** Of values that come often, several would be one. */
const rising = (edges: readonly number[]) => edges.filter((edge, i) => i === 0 || edge > Math.max(...edges.slice(0, i)));
