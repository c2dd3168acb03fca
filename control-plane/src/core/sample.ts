import { mergeSketches, type InferenceWindow, type Sketch } from '@flotilla/protocol';

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
}>;

/** A window with fewer says next to nothing as a fraction: it is put together with the next. */
export const leastInferences = 5;

const asked = (sample: Sample) => sample.ok + sample.errors + sample.sheds;

export const sampleOf = ({ ok, errors, sheds, computeCpuUs, slow, total, rssBytes, restarts }: InferenceWindow): Sample => ({
  ok,
  errors,
  sheds,
  computeCpuUs,
  slow,
  total,
  ...(rssBytes === undefined ? {} : { rssBytes }),
  ...(restarts === undefined ? {} : { restarts }),
});

/** Takes a window to what is kept of the device's small ones: either the whole is enough to bet on, or it is kept on. */
export function collect(kept: Sample | undefined, sample: Sample): { complete?: Sample; kept?: Sample } {
  if (asked(sample) === 0 && !sample.restarts) return kept ? { kept } : {};
  const whole = kept ? together(kept, sample) : sample;
  return asked(whole) >= leastInferences ? { complete: whole } : { kept: whole };
}

function together(a: Sample, b: Sample): Sample {
  const rss = [a.rssBytes, b.rssBytes].filter((bytes) => bytes !== undefined);
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
    ...(rss.length > 0 ? { rssBytes: Math.max(...rss) } : {}),
    ...(restarts > 0 ? { restarts } : {}),
  };
}
