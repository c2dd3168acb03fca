import type { Spent, StatisticsSnapshot } from '../monitor/serving-statistics.js';

type Duration = { count: number; ns: number };

/**
 * Triton's statistics extension, as its REST interface writes it; gRPC carries the same fields.
 * `name` is the slot's, `version` the release's; counted since the release was activated.
 */
export function modelStatistics({ name, version }: { name: string; version: string }, seen: StatisticsSnapshot) {
  const { success, failure, queue, compute } = seen;
  // Inputs are read, and outputs written, within the request: nothing is moved to a device and back, and nothing is cached.
  const within = (spent: Spent): Duration => ({ count: spent.count, ns: 0 });
  const none: Duration = { count: 0, ns: 0 };
  const stats = {
    name,
    version,
    last_inference: seen.lastInferenceMs,
    inference_count: seen.inferences,
    execution_count: seen.executions,
    inference_stats: {
      success: duration(success),
      fail: duration(failure),
      queue: duration(queue),
      compute_input: within(compute),
      compute_infer: duration(compute),
      compute_output: within(compute),
      cache_hit: none,
      cache_miss: none,
    },
    batch_stats: seen.batches.map((batch) => ({
      batch_size: batch.size,
      compute_input: within(batch),
      compute_infer: duration(batch),
      compute_output: within(batch),
    })),
  };
  return { model_stats: [stats] };
}

const duration = ({ count, us }: Spent): Duration => ({ count, ns: us * 1000 });
