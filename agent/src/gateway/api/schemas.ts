import { OutputsConfig, PipelineOverrides, RecordConfig, SlotName, SourceConfig, TriggerConfig } from '@flotilla/protocol/device';
import { z } from 'zod';
import { Prediction } from '../../prediction.js';
import { ReadingQuality } from '../outputs/reading.js';
import { InspectionId } from '../inspection-id.js';

/** What the gateway takes and gives, in one place: requests are parsed with it, answers are typed by it, and the served OpenAPI is made of it. */

const count = z.int().min(0);

export const GatewayHealth = z.object({ status: z.literal('ok') });

const SourceView = z.object({
  kind: z.string().describe('The key that it has in the configuration, such as `camera`.'),
  state: z.enum(['starting', 'running', 'waiting', 'failed']),
  reason: z.string().optional().describe('A sentence: what is missing.'),
});

const HandshakeState = z.enum(['ready', 'busy', 'done', 'error']);
const TriggerView = z.object({
  state: HandshakeState,
  sequence: count.describe('Counts the commands that were taken.'),
  id: z.string().optional().describe('Of the inspection that the state is about.'),
  reason: z.string().optional(),
});

export const SlotView = z.object({
  slot: SlotName,
  source: SourceView.optional(),
  trigger: TriggerView.optional(),
  frames: z
    .object({
      captured: count,
      inferred: count,
      refused: count.describe('The release can make nothing of it.'),
      failed: count.describe('The model could not answer.'),
      unasked: count.describe('No inspection wanted it.'),
      retried: count,
      dropped: count.describe('A newer one came before it could be inferred.'),
      lost: count.describe('Broken at the source already.'),
    })
    .describe('Since the slot’s configuration was brought into force.'),
  trouble: z.string().optional().describe('Why nothing is inferred at present.'),
  latest: z.object({ sequence: count, quality: ReadingQuality, latencyMs: z.number() }).optional(),
});
export type SlotView = z.infer<typeof SlotView>;

export const SlotViews = z.object({ slots: z.array(SlotView) });

export const GatewayResult = z.object({
  sequence: z.int().min(1).describe('Counts the results of the gateway’s life, without gaps, whichever runner they come from.'),
  quality: ReadingQuality,
  prediction: Prediction,
  capturedAt: z.number().describe('Milliseconds since 1970.'),
  latencyMs: z.number().describe('From capture to result.'),
});
export type GatewayResult = z.infer<typeof GatewayResult>;

const from = { from: z.string().optional().describe('Where it came from: `agent.yaml`, or the desired state and its epoch.') };
export const SlotConfiguration = z.object({
  slot: SlotName,
  source: z.union(SourceConfig.options.map((kind) => z.object({ ...kind.shape, ...from }))).optional(),
  trigger: z.object({ ...TriggerConfig.shape, ...from }).optional(),
  pipeline: z.object({ ...PipelineOverrides.shape, ...from }).optional(),
  record: z.object({ ...RecordConfig.shape, ...from }).optional(),
  outputs: z.object({ ...OutputsConfig.shape, ...from }).optional(),
});
export type SlotConfiguration = z.infer<typeof SlotConfiguration>;
export const ConfigurationView = z.object({ slots: z.array(SlotConfiguration) });

const OutputView = z.object({
  kind: OutputsConfig.keyof(),
  slots: z.array(SlotName),
  state: SourceView.shape.state,
  reason: z.string().optional(),
  sent: count.optional(),
  queued: count.optional(),
  dropped: count.optional(),
  clients: count.optional().describe('Of servers: at present.'),
});
export const OutputViews = z.object({ outputs: z.array(OutputView) });
export type OutputViews = z.infer<typeof OutputViews>;

export const PushAnswer = z.object({
  outcome: z.enum(['inferred', 'refused', 'busy', 'unasked']).optional().describe('Absent where it was not taken at all.'),
  error: z.string().optional(),
});
export type PushAnswer = z.infer<typeof PushAnswer>;

export const InspectionCommand = z.object({
  id: InspectionId.optional().describe('The caller’s own name for the part. One sent twice is captured once.'),
  wait: z.boolean().default(true).describe('Whether the answer waits for the result.'),
});

export const InspectionView = z.object({
  id: z.string(),
  sequence: count,
  state: z.enum(['busy', 'done', 'error']),
  capturedAt: z.iso.datetime().optional(),
  reason: z.string().optional().describe('Of an error.'),
  prediction: Prediction.optional(),
});
export type InspectionView = z.infer<typeof InspectionView>;

export const Acknowledged = z.object({ state: HandshakeState });

export const GatewayError = z.object({ error: z.string().describe('A sentence: what was wrong, where, and what to do.') });
