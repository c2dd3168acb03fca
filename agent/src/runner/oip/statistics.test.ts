import { expect, test } from 'vitest';
import { ServingStatistics } from '../monitor/serving-statistics.js';
import { modelStatistics } from './statistics.js';

test('statistics are counted by request, by element and by execution, in nanoseconds', () => {
  const statistics = new ServingStatistics(() => 1_700_000_000_000);
  statistics.executed(3, 500);
  statistics.succeeded({ cpuUs: 1, queueUs: 10, computeUs: 500, totalUs: 700 }, 1);
  statistics.succeeded({ cpuUs: 1, queueUs: 20, computeUs: 500, totalUs: 800 }, 2);
  statistics.executed(1, 100);
  statistics.failed(90);
  const { model_stats } = modelStatistics({ name: 'inspection', version: '1.0.0' }, statistics.snapshot());
  expect(model_stats).toEqual([
    {
      name: 'inspection',
      version: '1.0.0',
      last_inference: 1_700_000_000_000,
      inference_count: 3,
      execution_count: 2,
      inference_stats: {
        success: { count: 2, ns: 1_500_000 },
        fail: { count: 1, ns: 90_000 },
        queue: { count: 2, ns: 30_000 },
        compute_input: { count: 2, ns: 0 },
        compute_infer: { count: 2, ns: 1_000_000 },
        compute_output: { count: 2, ns: 0 },
        cache_hit: { count: 0, ns: 0 },
        cache_miss: { count: 0, ns: 0 },
      },
      batch_stats: [
        {
          batch_size: 1,
          compute_input: { count: 1, ns: 0 },
          compute_infer: { count: 1, ns: 100_000 },
          compute_output: { count: 1, ns: 0 },
        },
        {
          batch_size: 3,
          compute_input: { count: 1, ns: 0 },
          compute_infer: { count: 1, ns: 500_000 },
          compute_output: { count: 1, ns: 0 },
        },
      ],
    },
  ]);
});

test('what was handed out does not change any more', () => {
  const statistics = new ServingStatistics();
  const before = statistics.snapshot();
  statistics.failed(1);
  expect(before.failure).toEqual({ count: 0, us: 0 });
});
