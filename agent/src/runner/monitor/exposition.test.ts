import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseExposition } from '../fixtures/exposition.js';
import { InferenceCounters, bucketBounds } from './counters.js';
import { exposition, single } from '../../http/exposition.js';

const timed = (us: number) => ({ cpuUs: us, queueUs: us, computeUs: us, totalUs: us });

describe('the text format', () => {
  test('names, explains and types each family', () => {
    expect(
      exposition([single('gauge', 'depth', 'How deep.', 3, { slot: 'a' }), single('counter', 'runs_total', 'Runs.', 0.5)]),
    ).toBe(
      '# HELP depth How deep.\n# TYPE depth gauge\ndepth{slot="a"} 3\n# HELP runs_total Runs.\n# TYPE runs_total counter\nruns_total 0.5\n',
    );
  });

  test('escapes what would end a value or a line', () => {
    const text = exposition([single('gauge', 'x', 'back\\slash\nand line', 1, { a: 'q"u\\o\nte' })]);
    expect(text).toBe('# HELP x back\\\\slash\\nand line\n# TYPE x gauge\nx{a="q\\"u\\\\o\\nte"} 1\n');
  });

  test.each([
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [NaN, 'NaN'],
    [1e-7, '1e-7'],
  ])('spells %d as Prometheus reads it', (value, text) => {
    expect(exposition([single('gauge', 'x', '', value)])).toContain(`\nx ${text}\n`);
  });

  test('keeps to the grammar whatever the labels and values are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.double(), (label, value) => {
        const samples = parseExposition(exposition([single('gauge', 'x', label, value, { a: label })]));
        expect([...samples.values()]).toEqual([value === 0 ? 0 : value]);
      }),
    );
  });
});

describe('a histogram', () => {
  const families = [
    'flotilla_inference_queue_seconds',
    'flotilla_inference_compute_seconds',
    'flotilla_inference_duration_seconds',
  ];

  test('is cumulative, ends with all, and sums in seconds', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000_000)), (times) => {
        const counters = new InferenceCounters();
        for (const us of times) counters.succeeded(timed(us));
        const samples = parseExposition(exposition(counters.families({ slot: 'a' })));
        for (const name of families) {
          for (const bound of bucketBounds)
            expect(samples.get(`${name}_bucket{slot="a",le="${bound}"}`)).toBe(times.filter((us) => us <= bound * 1e6).length);
          expect(samples.get(`${name}_bucket{slot="a",le="+Inf"}`)).toBe(times.length);
          expect(samples.get(`${name}_count{slot="a"}`)).toBe(times.length);
          expect(samples.get(`${name}_sum{slot="a"}`)).toBe(times.reduce((sum, us) => sum + us, 0) / 1e6);
        }
      }),
    );
  });

  test('tells queue, compute and the whole apart', () => {
    const counters = new InferenceCounters();
    counters.succeeded({ cpuUs: 1, queueUs: 100, computeUs: 3000, totalUs: 40_000 });
    const samples = parseExposition(exposition(counters.families({})));
    expect(families.map((name) => samples.get(`${name}_sum`))).toEqual([0.0001, 0.003, 0.04]);
  });
});

test('results are counted apart', () => {
  const counters = new InferenceCounters();
  counters.succeeded(timed(1));
  counters.failed();
  counters.failed();
  for (let i = 0; i < 3; i++) counters.shed();
  const samples = parseExposition(exposition(counters.families({ slot: 'a' })));
  expect(['ok', 'error', 'shed'].map((result) => samples.get(`flotilla_inferences_total{slot="a",result="${result}"}`))).toEqual([
    1, 2, 3,
  ]);
});
