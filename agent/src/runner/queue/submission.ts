import { z } from 'zod';
import { priorities, type Submission } from './queue.js';

/** As Triton has them: `priority` 1 goes first and 0 is the default; `timeout` is in microseconds, and 0 is none. */
export const SubmissionParameters = z.object({
  priority: z
    .int()
    .min(0)
    .max(Math.max(...priorities))
    .optional(),
  timeout: z.int().min(0).optional(),
});

export const submissionOf = ({ priority: asked, timeout }: z.infer<typeof SubmissionParameters> = {}): Submission => ({
  priority: priorities.find((priority) => priority === asked),
  timeoutMs: timeout ? timeout / 1000 : undefined,
});
