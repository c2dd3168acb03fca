import { type Family, exposition, expositionType } from '../../http/exposition.js';
import type { Reply } from '../../http/http.js';
import type { Gateway } from '../gateway.js';
import type { SlotGateway } from '../slot-gateway.js';

const states = ['starting', 'running', 'waiting', 'failed'] as const;

/** Prometheus' text: what came from each source, what became of it, and whether it is there. */
export const metrics = ({ slots }: Gateway): Reply => {
  const all = [...slots.values()];
  return {
    headers: { 'content-type': expositionType },
    body: Buffer.from(exposition([frames(all), sources(all), latencies(all)])),
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
