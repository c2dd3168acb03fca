import { Datatype, DeploymentId, Digest } from '@flotilla/protocol';
import { z } from 'zod';

export const Ranked = z.object({
  label: z.string(),
  index: z.int().min(0).describe('Place of the class in the model’s answer.'),
  score: z.number(),
});
export type Ranked = z.infer<typeof Ranked>;

const score = z.number();
const label = z.string();
const index = z.int().min(0);

/** What a release's postprocessing may find: each of its steps fills the field of its kind, and no other. */
export const Findings = z.object({
  top: z.array(Ranked).optional(),
  labels: z.array(Ranked).optional().describe('Every class that reached its threshold, best first (`multi-label`).'),
  boxes: z
    .array(
      z.object({
        label,
        index,
        score,
        box: z
          .object({ left: z.number(), top: z.number(), width: z.number().min(0), height: z.number().min(0) })
          .describe('Pixels of the picture as it is seen, after EXIF; where tensors were sent, of the model’s input.'),
      }),
    )
    .optional()
    .describe('Best first (`ssd-boxes`, `yolo-boxes`).'),
  text: z.object({ value: z.string(), score }).optional().describe('What was read (`ctc`); the score is its characters’ mean.'),
  values: z.array(z.object({ name: z.string(), value: z.number(), unit: z.string().optional() })).optional(),
  areas: z
    .array(z.object({ label, index, pixels: z.int().min(0), share: z.number().min(0).max(1) }))
    .optional()
    .describe('Largest first; pixels of the model’s answer (`areas`).'),
  anomaly: z
    .object({ score, threshold: z.number(), found: z.boolean() })
    .optional()
    .describe('`found` from the threshold on (`anomaly`).'),
});
export type Findings = z.infer<typeof Findings>;

export const OutputValue = z.object({
  datatype: Datatype,
  shape: z.array(z.int().min(0)),
  data: z.array(z.union([z.number(), z.boolean(), z.string()])).describe('Flat, the last dimension fastest.'),
});
export type OutputValue = z.infer<typeof OutputValue>;

export const Prediction = z.object({
  id: z.string().describe('Names this prediction for ever; feedback asks for it.'),
  at: z.iso.datetime(),
  seq: z.int().min(0).describe('Orders the predictions of one runner; 0 when another takes over.'),
  release: z.string().describe('model@version that answered.'),
  digest: Digest,
  deployment: DeploymentId,
  source: z.string().optional().describe('File name or the like, where it came from the slot’s own source.'),
  stream: z.string().optional().describe('Which source, where it came from one.'),
  capturedAt: z.iso.datetime().optional().describe('When the input was taken, where a source took it.'),
  inspection: z.string().optional().describe('The inspection that it was taken for.'),
  uncertain: z
    .string()
    .optional()
    .describe('Why less can be made of it than of others: what the release remembers of the stream began anew.'),
  ...Findings.shape,
  top: z.array(Ranked).describe('Best first; empty where the release ranks no classes, or for a batch.'),
  outputs: z
    .record(z.string(), OutputValue)
    .optional()
    .describe('By name, where the release finds nothing in them, or for a batch.'),
  computeMs: z.number().min(0),
  totalMs: z.number().min(0),
});
/** One answer of a release with its labels: a line of the prediction file. */
export type Prediction = z.infer<typeof Prediction>;

/** `uncertain`: see the prediction. `stale`: too old to say something about what lies before the camera now. `safe-mode`: no model serves; no prediction comes with it. */
export const Quality = z.enum(['good', 'uncertain', 'stale', 'safe-mode']);
export type Quality = z.infer<typeof Quality>;

/** Of a prediction that was just made. */
export const qualityOf = ({ uncertain }: Pick<Prediction, 'uncertain'>): Quality =>
  uncertain === undefined ? 'good' : 'uncertain';
