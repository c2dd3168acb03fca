import type { TelemetryFigures } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { compared, inWords } from './compared.js';

const figures = (more: Partial<TelemetryFigures> = {}): TelemetryFigures => ({
  windows: 10,
  ok: 1000,
  errors: 0,
  sheds: 0,
  restarts: 0,
  meanComputeMs: 4,
  latency: { queue: {}, compute: {}, total: { p50: 5, p95: 8, p99: 9 } },
  maxRssBytes: 100e6,
  ...more,
});
const names = { a: 'with m@1.0.0', b: 'with m@2.0.0', when: 'with m@2.0.0' };
const said = (a: TelemetryFigures | undefined, b: TelemetryFigures | undefined) => inWords(names, compared(a, b));

describe('two releases side by side', () => {
  it('are told apart by difference and ratio', () => {
    const rows = compared(figures(), figures({ errors: 10, meanComputeMs: 6 }));
    expect(rows.find(({ metric }) => metric === 'meanComputeMs')).toEqual({
      metric: 'meanComputeMs',
      unit: 'ms',
      a: 4,
      b: 6,
      difference: 2,
      ratio: 1.5,
    });
    expect(rows.find(({ metric }) => metric === 'errorRate')).toEqual({
      metric: 'errorRate',
      unit: 'share',
      a: 0,
      b: 0.00990099,
      difference: 0.00990099,
    });
    expect(rows.find(({ metric }) => metric === 'queueP95Ms')).toEqual({ metric: 'queueP95Ms', unit: 'ms' });
  });

  it('are put into words', () => {
    const worse = figures({
      meanComputeMs: 10,
      errors: 1,
      latency: { queue: {}, compute: {}, total: { p95: 8.2 } },
      maxRssBytes: 90e6,
    });
    expect(said(figures(), worse)).toEqual([
      'processor time of an inference: 2.5 times as much with m@2.0.0 (10 ms, not 4 ms)',
      'p95 from request to result: about the same (8.2 ms, 8 ms)',
      'errors: 0.0999 % with m@2.0.0, not 0 %',
      'sheds: the same (0 %)',
      'most memory of a runner: 10 % less with m@2.0.0 (90.0 MB, not 100.0 MB)',
    ]);
  });

  it('say that too little is known', () => {
    expect(said(figures({ ok: 40 }), figures())).toContain(
      'errors: 40 inferences with m@1.0.0, and fewer than 100 say nothing of rates',
    );
    expect(said(undefined, figures())).toEqual(['nothing was inferred with m@1.0.0']);
    expect(said(undefined, undefined)).toHaveLength(2);
  });
});
