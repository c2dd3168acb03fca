import { z } from 'zod';
import { ReleasePath } from './tensors.js';

const text = z.string().max(10_000);
/** What must be found, by meaning: as a prediction says it, whose scores count for nothing here. What is left out is not looked at. */
const kinds = {
  /** The first is compared. */
  top: z.array(z.object({ label: text })).optional(),
  /** In any order, and no other. */
  labels: z.array(z.object({ label: text })).optional(),
  text: z.object({ value: text }).optional(),
  values: z.array(z.object({ name: text, value: z.number(), tolerance: z.number().min(0).default(0) })).optional(),
  anomaly: z.object({ found: z.boolean() }).optional(),
};
const box = {
  label: text.optional(),
  box: z.object({ left: z.number(), top: z.number(), width: z.number().gt(0), height: z.number().gt(0) }),
  /** The least overlap (intersection over union) with the box that is found. */
  iou: z.number().gt(0).max(1).default(0.5),
};
const InnerBox = z.object({ ...box, ...kinds });
/** As many boxes as are listed, in any order. */
export const ExpectedFindings = z.object({
  ...kinds,
  boxes: z
    .array(z.object({ ...box, ...kinds, boxes: z.array(InnerBox).max(1000).optional() }))
    .max(1000)
    .optional(),
});
export type ExpectedFindings = z.infer<typeof ExpectedFindings>;

/** One input with what must come of it, so that a preprocessing fault is told from a model fault. */
export const GoldenCase = z
  .object({
    name: z.string().min(1).max(128),
    /** A file in the golden folder. */
    input: ReleasePath,
    /** Every `stride`-th element of the flattened tensor that preprocessing must give; absent where the input holds the model's tensors by name, as JSON. */
    tensor: z
      .object({
        /** Of a graph: whose tensor, where several networks look at the whole picture. */
        network: z.string().optional(),
        shape: z.array(z.int().min(0)),
        stride: z.int().min(1),
        values: z.array(z.number()),
        tolerance: z.number().gt(0),
      })
      .optional(),
    /** The float reference's raw output, and its top classes. */
    output: z
      .object({
        name: z.string(),
        values: z.array(z.number()),
        top: z.array(z.object({ index: z.int().min(0), label: z.string(), score: z.number() })).min(1),
      })
      .optional(),
    /** Of a graph, in place of `output`. */
    findings: ExpectedFindings.optional(),
  })
  .check(({ value, issues }) => {
    const message = 'a case has either "output", or for a release of several networks "findings"';
    if ((value.output === undefined) === (value.findings === undefined))
      issues.push({ code: 'custom', path: ['output'], message, input: value.output });
  });
export type GoldenCase = z.infer<typeof GoldenCase>;
/** `cases.json` in the golden folder. */
export const GoldenSet = z.object({ v: z.literal(1), cases: z.array(GoldenCase).min(1).max(1000) }).meta({ id: 'GoldenSet' });
export type GoldenSet = z.infer<typeof GoldenSet>;
