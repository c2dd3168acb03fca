import type { InferenceWindow } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { Leader } from '../platform/leader.js';
import type { Placement } from './device-time.js';
import { minuteOf, type UnplacedWindow } from './rollup-levels.js';
import { RollupSum, type Figures } from './rollup-sum.js';
import type { IdRun, StoredWindow } from './telemetry.repository.js';

/** What its windows say together, by device and minute. */
export type StoredRun = IdRun & Readonly<{ sums: readonly UnplacedWindow[] }>;

/** Beyond that the table is asked: about 30 MB. */
const mostSums = 20_000;
const mostAgeMs = 10_000;

/**
 * Windows that this process has just stored, added up while they are at hand: to have the database write them out and to parse that
 * again is most of what a rollup costs. Only a shortcut: whoever takes a run asks first whether its rows are all there.
 */
@Injectable()
export class JustStored {
  #runs: (StoredRun & { at: number })[] = [];
  #sums = 0;

  constructor(@Inject(Leader) private readonly leader: Pick<Leader, 'isLeader'>) {}

  /** Their transaction is committed. Nothing is kept by those who don't roll up, nor of ids that others have drawn from meanwhile. */
  keep(run: IdRun, windows: readonly StoredWindow[]): void {
    if (!this.leader.isLeader() || run.last - run.first + 1 !== windows.length || this.#sums >= mostSums) return;
    const sums = byMinute(windows);
    this.#sums += sums.length;
    this.#runs.push({ ...run, sums, at: performance.now() });
  }

  /** Those that lie wholly above `from` and not above `upTo`, in their order; what is rolled up already, or old, is forgotten. */
  between(from: number, upTo: number): StoredRun[] {
    const oldest = performance.now() - mostAgeMs;
    this.#runs = this.#runs.filter(({ first, at }) => first > from && at >= oldest).toSorted((a, b) => a.first - b.first);
    this.#sums = this.#runs.reduce((sum, run) => sum + run.sums.length, 0);
    return this.#runs.filter(({ last }) => last <= upTo);
  }
}

function byMinute(windows: readonly StoredWindow[]): UnplacedWindow[] {
  const sums = new Map<string, UnplacedWindow & { figures: RollupSum }>();
  for (const { device, window, at } of windows) {
    const { slot, digest, variant } = window;
    const endedAt = minuteOf(at.endedAt.getTime());
    const key = `${device}\0${endedAt}\0${slot}\0${digest}\0${variant}`;
    let entry = sums.get(key);
    if (!entry) sums.set(key, (entry = { endedAt, device, slot, digest, variant, figures: new RollupSum() }));
    entry.figures.add(figuresOf(window, at));
  }
  return [...sums.values()];
}

/** The same as the columns of its row say. */
function figuresOf(window: InferenceWindow, at: Placement): Figures {
  const { ok, errors, sheds, restarts, computeCpuUs, queueDepthMax, rssBytes, temperatureMaxC, feedback } = window;
  const { queue, compute, total, throttledMs, energyJ } = window;
  return {
    windows: 1,
    ok,
    errors,
    sheds,
    restarts: restarts ?? 0,
    computeCpuUs,
    queueDepthMax,
    rssBytesMax: rssBytes ?? null,
    temperatureMaxC: temperatureMaxC ?? null,
    evidence: {
      confirmed: feedback?.confirmed ?? 0,
      rejected: feedback?.rejected ?? 0,
      corrected: feedback?.corrected ?? 0,
      throttledMs: throttledMs ?? 0,
      throttledOfMs: throttledMs === undefined ? 0 : at.endedAt.getTime() - at.startedAt.getTime(),
      energyMj: energyJ === undefined ? 0 : milli(energyJ),
      energyOk: energyJ === undefined ? 0 : ok,
    },
    queue,
    compute,
    total,
  };
}

const milli = (value: number) => Math.round(value * 1000);
