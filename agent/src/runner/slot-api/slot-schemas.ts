import { z } from 'zod';
import { Prediction, Quality } from '../../prediction.js';
import { SubmissionParameters } from '../queue/submission.js';

/** What the slot's own API takes and gives, in one place: requests are parsed with it, and the served OpenAPI is made of it. */

export const GradedPrediction = z.object({ ...Prediction.shape, quality: Quality });
export type GradedPrediction = z.infer<typeof GradedPrediction>;

export const PredictAnswer = z.object({
  ...GradedPrediction.shape,
  state: z.string().optional().describe('Where the request had one: what is remembered now, for the next request.'),
});
export type PredictAnswer = z.infer<typeof PredictAnswer>;

export const PredictRequest = z.object({
  image: z
    .object({ base64: z.string().min(1) })
    .optional()
    .describe('A JPEG, PNG or WebP, for a release that takes pictures.'),
  inputs: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Each input by name, as nested arrays, or flat where its shape has at most one free dimension.'),
  features: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Numbers and categories by name, for a release whose preprocessing lists features.'),
  signal: z
    .object({
      samples: z.array(z.number()).min(1).max(2_000_000).describe('Interleaved by channel; sound lies within −1…1.'),
      rate: z.number().gt(0).describe('Samples a second.'),
      channels: z.int().min(1).max(64).default(1),
    })
    .optional()
    .describe('As many samples as complete one window, for a release that takes signals.'),
  state: z
    .string()
    .optional()
    .describe(
      'Of a release that remembers: the `state` of the answer before this in base64, or "" to begin. Without it each request begins anew.',
    ),
  parameters: SubmissionParameters.optional(),
});
export type PredictRequest = z.infer<typeof PredictRequest>;

export const Verdict = z.enum(['confirmed', 'rejected', 'corrected']);
export type Verdict = z.infer<typeof Verdict>;

export const FeedbackRequest = z.object({
  id: z.string().min(1).max(128).describe('The prediction’s id.'),
  verdict: Verdict,
  label: z.string().min(1).max(128).optional().describe('What it really was: with `corrected`, and only there.'),
  by: z.string().min(1).max(128).optional().describe('Who says so: a person, a station, a second inspection.'),
  comment: z.string().min(1).max(1000).optional(),
});
export type FeedbackRequest = z.infer<typeof FeedbackRequest>;

export const FeedbackAnswer = z.object({
  id: z.string(),
  verdict: Verdict,
  outcome: z.enum(['recorded', 'repeated', 'replaced']).describe('`repeated`: the same was said before and counts once.'),
});
export type FeedbackAnswer = z.infer<typeof FeedbackAnswer>;

export const SlotList = z.object({
  slots: z.array(
    z.object({
      slot: z.string(),
      http: z.string().describe('Base URL of its REST interface; whether it is ready, it says itself.'),
      here: z.boolean().describe('Whether it is the one that answers now.'),
    }),
  ),
});
export type SlotList = z.infer<typeof SlotList>;

export const ErrorAnswer = z.object({
  error: z.string().describe('A sentence: what was wrong, where, and what to do.'),
  quality: Quality.optional(),
});
