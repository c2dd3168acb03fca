/** What a board's sensors said at one moment; undefined: there is none, or it gave nothing. */
export type Reading = Readonly<{
  temperatureC: number | undefined;
  throttled: boolean | undefined;
  powerW: number | undefined;
  /** Busy share of the GPU, 0 to 1, and its clock. */
  gpu: number | undefined;
  gpuMHz: number | undefined;
}>;
/** A reading stands for the time since the one before it: counters of energy give a mean over that time. Seconds of uptime. */
export type Stretch = Reading & Readonly<{ from: number; to: number }>;

/** What the board went through between two moments. Absent: no sensor told. */
export type BoardSpan = Partial<Readonly<{ temperatureMaxC: number; throttledMs: number; energyJ: number }>>;
/** The same as vitals tell it. */
export type BoardFeeling = Partial<
  Readonly<{ temperatureC: number; throttled: boolean; powerW: number; gpu: number; gpuMHz: number }>
>;

type Weighted = { value: number; s: number };

/** A little that no reading covers is taken to be like the rest. */
export function boardBetween(stretches: readonly Stretch[], start: number, end: number): BoardSpan {
  const { hottest, throttled, powerW } = between(stretches, start, end);
  const wholeS = Math.max(0, end - start);
  return {
    ...(hottest !== undefined && { temperatureMaxC: hottest }),
    ...(throttled !== undefined && { throttledMs: Math.round(1000 * wholeS * throttled) }),
    ...(powerW !== undefined && { energyJ: round(powerW * wholeS) }),
  };
}

export function feelingBetween(stretches: readonly Stretch[], start: number, end: number): BoardFeeling {
  const { hottest, throttled, powerW, gpu, gpuMHz } = between(stretches, start, end);
  return {
    ...(hottest !== undefined && { temperatureC: hottest }),
    ...(throttled !== undefined && { throttled: throttled > 0 }),
    ...(powerW !== undefined && { powerW: round(powerW) }),
    ...(gpu !== undefined && { gpu: round(gpu) }),
    ...(gpuMHz !== undefined && { gpuMHz: round(gpuMHz) }),
  };
}

function between(stretches: readonly Stretch[], start: number, end: number) {
  const parts = stretches.flatMap((each) => {
    const s = Math.min(each.to, end) - Math.max(each.from, start);
    return s > 0 ? [{ ...each, s }] : [];
  });
  const mean = (of: (each: Stretch) => number | undefined) =>
    meanOf(
      parts.flatMap((each) => {
        const value = of(each);
        return value === undefined ? [] : [{ value, s: each.s }];
      }),
    );
  const celsius = parts.flatMap(({ temperatureC }) => temperatureC ?? []);
  return {
    hottest: celsius.length > 0 ? Math.max(...celsius) : undefined,
    throttled: mean(({ throttled }) => (throttled === undefined ? undefined : Number(throttled))),
    powerW: mean(({ powerW }) => powerW),
    gpu: mean(({ gpu }) => gpu),
    gpuMHz: mean(({ gpuMHz }) => gpuMHz),
  };
}

function meanOf(values: readonly Weighted[]): number | undefined {
  const s = values.reduce((sum, each) => sum + each.s, 0);
  return s > 0 ? values.reduce((sum, { value, s: its }) => sum + value * its, 0) / s : undefined;
}

/** Sensors are no better than that, and windows travel by the ten thousand. */
const round = (value: number) => Number(value.toPrecision(5));
