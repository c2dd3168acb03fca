import { Datatype, DeploymentId, Digest } from '@flotilla/protocol/device';
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

/** What one network may find, boxes apart: each of a release's steps fills the field of its kind, and no other. */
const kinds = {
  top: z.array(Ranked).optional(),
  labels: z.array(Ranked).optional().describe('Every class that reached its threshold, best first (`multi-label`).'),
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
};
/** What a network of a graph finds apart from others, by the name of its node. */
const named = z.record(z.string(), z.object(kinds)).optional().describe('What nodes with `apart` found, by their names.');
const point = z.tuple([z.number(), z.number()]);

const box = {
  label,
  index,
  score,
  box: z
    .object({ left: z.number(), top: z.number(), width: z.number().min(0), height: z.number().min(0) })
    .describe('Pixels of the picture as it is seen, after EXIF; where tensors were sent, of the model’s input.'),
  quad: z
    .array(point)
    .length(4)
    .optional()
    .describe('Its corners, clockwise from the top left, where it may lie at an angle; `box` is then the upright one around it.'),
};
/** In a graph a box carries what was found in it. */
const InnerBox = z.object({ ...box, ...kinds, named });
const Box = z.object({ ...box, ...kinds, named, boxes: z.array(InnerBox).optional() });

export const Findings = z.object({
  ...kinds,
  named,
  boxes: z
    .array(Box)
    .optional()
    .describe('Best first (`ssd-boxes`, `yolo-boxes`, `db-boxes`; this one line by line where it says `order: reading`).'),
  decision: z
    .object({
      label,
      score: score.optional().describe('What was read for this answer; it is not what the decision was made of alone.'),
      since: z.iso.datetime().describe('Since when it is so, by the time at which inputs were taken.'),
      changed: z.boolean().describe('Whether it is so from this answer on.'),
    })
    .optional()
    .describe('What holds over time (`hysteresis`, `vote`, `debounce`); absent until the first one is reached.'),
  segment: z
    .object({ label, onset: z.iso.datetime(), end: z.iso.datetime().optional().describe('Absent while it goes on.') })
    .optional()
    .describe('The stretch of time that goes on, or has just ended (`segments`).'),
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
