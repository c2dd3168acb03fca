import type { Family, Labels } from '../../http/exposition.js';
import type { Timing } from './window.js';

/** Seconds. From a small model on a fast board to a large one that waits in a full queue. */
export const bucketBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/**
 * What has happened since activation, for a scraper that takes differences itself. Predicted labels are not among it: a model may have
 * thousands, and each would be a time series.
 */
export class InferenceCounters {
  readonly #results = { ok: 0, error: 0, shed: 0 };
  readonly #durations = { queue: new DurationHistogram(), compute: new DurationHistogram(), total: new DurationHistogram() };

  succeeded({ queueUs, computeUs, totalUs }: Timing): void {
    this.#results.ok += 1;
    this.#durations.queue.add(queueUs);
    this.#durations.compute.add(computeUs);
    this.#durations.total.add(totalUs);
  }

  failed(): void {
    this.#results.error += 1;
  }

  shed(): void {
    this.#results.shed += 1;
  }

  families(labels: Labels): Family[] {
    const { queue, compute, total } = this.#durations;
    return [
      {
        name: 'flotilla_inferences_total',
        type: 'counter',
        help: 'Inferences since the release was activated, by result; "shed" were refused before they were computed.',
        samples: Object.entries(this.#results).map(([result, value]) => ({ labels: { ...labels, result }, value })),
      },
      queue.family('flotilla_inference_queue_seconds', 'How long good inferences waited in the queue.', labels),
      compute.family('flotilla_inference_compute_seconds', 'How long the model computed good inferences.', labels),
      total.family(
        'flotilla_inference_duration_seconds',
        'How long good inferences took from the request to the answer.',
        labels,
      ),
    ];
  }
}

class DurationHistogram {
  /** Not yet cumulative; the last one is for what is longer than every bound. */
  readonly #counts = Array.from({ length: bucketBounds.length + 1 }, () => 0);
  /** In whole microseconds: a sum of seconds would gather rounding errors for months. */
  #sumUs = 0;

  add(us: number): void {
    const bucket = bucketBounds.findIndex((bound) => us <= bound * 1e6);
    this.#counts[bucket < 0 ? bucketBounds.length : bucket]! += 1;
    this.#sumUs += us;
  }

  family(name: string, help: string, labels: Labels): Family {
    let count = 0;
    const buckets = this.#counts.map((inBucket, i) => ({
      suffix: '_bucket' as const,
      labels: { ...labels, le: String(bucketBounds[i] ?? '+Inf') },
      value: (count += inBucket),
    }));
    const sum = { suffix: '_sum' as const, labels, value: this.#sumUs / 1e6 };
    return { name, type: 'histogram', help, samples: [...buckets, sum, { suffix: '_count', labels, value: count }] };
  }
}
