import { mergeSketches, type InferenceWindow, type Sketch } from '@flotilla/protocol';
import type { Verdicts } from './baseline.js';

/** What gates read of a window, or of several small ones of one device put together. */
export type Sample = Readonly<{
  ok: number;
  errors: number;
  sheds: number;
  computeCpuUs: number;
  /** Inferences slower than each limit that the device was given. */
  slow: Readonly<Record<string, number>>;
  /** Wall time from request to result. */
  total: Sketch;
  rssBytes?: number | undefined;
  /** How often the runner had to be started anew. */
  restarts?: number | undefined;
  verdicts?: Verdicts | undefined;
  temperatureMaxC?: number | undefined;
  /** How long the board was held back, and of how long a time that is known. */
  throttled?: Readonly<{ ms: number; ofMs: number }> | undefined;
}>;

/** A window with fewer says next to nothing as a fraction: it is put together with the next. */
export const leastInferences = 5;

const asked = (sample: Sample) => sample.ok + sample.errors + sample.sheds;

export function sampleOf(window: InferenceWindow): Sample {
  const { ok, errors, sheds, computeCpuUs, slow, total, rssBytes, restarts, temperatureMaxC } = window;
  const [verdicts, throttled] = [verdictsOf(window), throttledOf(window)];
  return {
    ok,
    errors,
    sheds,
    computeCpuUs,
    slow,
    total,
    ...(rssBytes === undefined ? {} : { rssBytes }),
    ...(restarts === undefined ? {} : { restarts }),
    ...(verdicts && { verdicts }),
    ...(temperatureMaxC === undefined ? {} : { temperatureMaxC }),
    ...(throttled && { throttled }),
  };
}

/** A corrected prediction was as wrong as a rejected one. */
function verdictsOf({ feedback }: InferenceWindow): Verdicts | undefined {
  if (!feedback) return undefined;
  const wrong = feedback.rejected + feedback.corrected;
  const given = feedback.confirmed + wrong;
  return given === 0 ? undefined : { given, wrong };
}

function throttledOf({ start, end, throttledMs }: InferenceWindow): Sample['throttled'] {
  const ofMs = (end - start) * 1000;
  return throttledMs === undefined || ofMs <= 0 ? undefined : { ms: Math.min(throttledMs, ofMs), ofMs };
}

/** Takes a window to what is kept of the device's small ones: either the whole is enough to bet on, or it is kept on. */
export function collect(kept: Sample | undefined, sample: Sample): { complete?: Sample; kept?: Sample } {
  if (asked(sample) === 0 && !sample.restarts) return kept ? { kept } : {};
  const whole = kept ? together(kept, sample) : sample;
  return asked(whole) >= leastInferences ? { complete: whole } : { kept: whole };
}

function together(a: Sample, b: Sample): Sample {
  const rssBytes = most(a.rssBytes, b.rssBytes);
  const temperatureMaxC = most(a.temperatureMaxC, b.temperatureMaxC);
  const throttled = [a.throttled, b.throttled].filter((each) => each !== undefined);
  const restarts = (a.restarts ?? 0) + (b.restarts ?? 0);
  return {
    ok: a.ok + b.ok,
    errors: a.errors + b.errors,
    sheds: a.sheds + b.sheds,
    computeCpuUs: a.computeCpuUs + b.computeCpuUs,
    slow: Object.fromEntries(
      [...new Set([...Object.keys(a.slow), ...Object.keys(b.slow)])].map((key) => [key, (a.slow[key] ?? 0) + (b.slow[key] ?? 0)]),
    ),
    total: mergeSketches([a.total, b.total]),
    ...(rssBytes === undefined ? {} : { rssBytes }),
    ...(restarts > 0 ? { restarts } : {}),
    ...(temperatureMaxC === undefined ? {} : { temperatureMaxC }),
    ...(throttled.length > 0 ? { throttled: throttled.reduce((x, y) => ({ ms: x.ms + y.ms, ofMs: x.ofMs + y.ofMs })) } : {}),
  };
}

const most = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? (a ?? b) : Math.max(a, b));
