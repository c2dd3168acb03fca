import type { Route } from '../http/http.js';
import type { Inferences } from './inferences.js';
import type { Feedback } from './slot-api/feedback.js';
import type { JsonLines } from './slot-api/json-lines.js';
import { type Family, exposition, expositionType, single } from '../http/exposition.js';
import type { Monitor } from './monitor/monitor.js';
import type { PredictionStreams } from '../http/prediction-stream.js';
import type { InferenceQueue } from './queue/queue.js';

type Measured = {
  inferences: Inferences;
  monitor: Monitor;
  queue: InferenceQueue;
  predictions: JsonLines;
  feedback: Feedback;
  streams: PredictionStreams;
};

/** One slot's own figures for a Prometheus nearby; the fleet's go through telemetry. */
export function metricsRoute(measured: Measured): Route {
  const headers = { 'content-type': expositionType };
  return {
    method: 'GET',
    path: '/metrics',
    handle: () => ({
      headers,
      body: Buffer.from(
        exposition([...measured.monitor.families(), ...measured.feedback.families(), ...steps(measured), ...gauges(measured)]),
      ),
    }),
  };
}

const steps = ({ inferences }: Measured): Family[] =>
  inferences.release.pipeline.clock.families({ slot: inferences.served.slot });

function gauges({ inferences, queue, predictions, streams }: Measured): Family[] {
  const { slot, deployment, digest, variant } = inferences.served;
  const { name, manifest, batching, model } = inferences.release;
  const about = { release: name, version: manifest.version, digest, deployment, variant, provider: model.provider, slot };
  const of = { slot };
  return [
    single('gauge', 'flotilla_inference_queue_depth', 'Inferences that wait now.', queue.depth, of),
    single('counter', 'flotilla_inference_executions_total', 'Runs of the engine; a batch is one.', queue.executions, of),
    ...(batching
      ? [
          single(
            'gauge',
            'flotilla_batch_rows_max',
            'Rows computed together at most; 1 where batching is off.',
            batching.on ? batching.maxRows : 1,
            of,
          ),
          single(
            'gauge',
            'flotilla_batching_gain',
            'Throughput in full batches over one by one, measured at load.',
            batching.gain ?? NaN,
            of,
          ),
        ]
      : []),
    single('gauge', 'flotilla_prediction_stream_readers', 'Open streams of predictions.', streams.readers, of),
    single('counter', 'flotilla_prediction_stream_dropped_total', 'Events that a slow reader did not get.', streams.dropped, of),
    single(
      'counter',
      'flotilla_prediction_lines_lost_total',
      'Predictions that could not be written to the file.',
      predictions.lost,
      of,
    ),
    single('gauge', 'flotilla_release_info', 'Always 1; the labels say what this slot serves.', 1, about),
    // Prometheus' own name for it, which dashboards know.
    single('gauge', 'process_resident_memory_bytes', 'Resident memory of the runner.', process.memoryUsage.rss()),
  ];
}
