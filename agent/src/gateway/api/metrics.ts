import { type Family, exposition, expositionType } from '../../http/exposition.js';
import type { Reply } from '../../http/http.js';
import type { Gateway } from '../gateway.js';
import type { OutputView } from '../outputs/outputs.js';
import type { SlotGateway } from '../slot-gateway.js';

const states = ['starting', 'running', 'waiting', 'failed'] as const;

/** Prometheus' text: what came from each source, what became of it, where it went, and whether both ends are there. */
export const metrics = ({ slots, outputs }: Gateway): Reply => {
  const all = [...slots.values()];
  return {
    headers: { 'content-type': expositionType },
    body: Buffer.from(exposition([frames(all), sources(all), latencies(all), ...ofOutputs(outputs)])),
  };
};

const frames = (slots: readonly SlotGateway[]): Family => ({
  name: 'flotilla_gateway_frames_total',
  type: 'counter',
  help: 'Frames of the source, and what became of them.',
  samples: slots.flatMap(({ config, lane }) =>
    Object.entries(lane.counts).map(([outcome, value]) => ({ labels: { slot: config.slot, outcome }, value })),
  ),
});

const sources = (slots: readonly SlotGateway[]): Family => ({
  name: 'flotilla_gateway_source_state',
  type: 'gauge',
  help: '1 for the state that the source is in.',
  samples: slots
    .filter(({ config }) => config.source)
    .flatMap(({ config, lane }) =>
      states.map((state) => ({ labels: { slot: config.slot, state }, value: lane.source.state === state ? 1 : 0 })),
    ),
});

const latencies = (slots: readonly SlotGateway[]): Family => ({
  name: 'flotilla_gateway_result_latency_seconds',
  type: 'gauge',
  help: 'From capture to result, of the latest one.',
  samples: slots.flatMap(({ config, results }) => {
    const { latest } = results;
    return latest ? [{ labels: { slot: config.slot }, value: latest.latencyMs / 1000 }] : [];
  }),
});

/** An output is known by its kind and its slots: both stay when its peer comes and goes. */
const ofOutputs = (outputs: readonly OutputView[]): Family[] => {
  const labelled = outputs.map((view) => ({ ...view, labels: { output: view.kind, slots: view.slots.join(',') } }));
  const each = (value: (view: OutputView) => number | undefined, more: Readonly<Record<string, string>> = {}) =>
    labelled.flatMap(({ labels, ...view }) => {
      const its = value(view);
      return its === undefined ? [] : [{ labels: { ...labels, ...more }, value: its }];
    });
  return [
    {
      name: 'flotilla_gateway_output_values_total',
      type: 'counter',
      help: 'Values that the output is done with: its peer has them, or they were given up.',
      samples: [...each(({ sent }) => sent, { outcome: 'sent' }), ...each(({ dropped }) => dropped, { outcome: 'dropped' })],
    },
    {
      name: 'flotilla_gateway_output_queued',
      type: 'gauge',
      help: 'Values that wait for the output’s peer.',
      samples: each(({ queued }) => queued),
    },
    {
      name: 'flotilla_gateway_output_clients',
      type: 'gauge',
      help: 'Clients of an output that serves some.',
      samples: each(({ clients }) => clients),
    },
    {
      name: 'flotilla_gateway_output_state',
      type: 'gauge',
      help: '1 for the state that the output is in.',
      samples: states.flatMap((state) => each((view) => (view.state === state ? 1 : 0), { state })),
    },
  ];
};
