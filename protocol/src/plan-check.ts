import { z } from 'zod';
import { Duration } from './duration.js';

const common = {
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  url: z.url({ protocol: /^https?$/ }),
  interval: Duration.default(30),
  /** How long one answer may take. */
  timeout: Duration.refine((s) => s > 0 && s <= 60, 'must be above 0 and at most 60s').default(10),
  /** So many times in a row it may say no before the rollout stops. */
  failureLimit: z.int().min(0).max(1000).default(0),
  /** So many times in a row it may give no answer before the rollout waits for it. */
  errorLimit: z.int().min(0).max(1000).default(3),
  /** Asked and shown, but it decides nothing. */
  dryRun: z.boolean().default(false),
};

/** Is told where the stage is (POST), and answers pass, fail or wait. */
const WebhookCheck = z.strictObject({ type: z.literal('webhook'), ...common });
/** A query of a Prometheus server; every value that it gives must keep to the limit. */
const PrometheusCheck = z
  .strictObject({
    type: z.literal('prometheus'),
    ...common,
    query: z.string().min(1).max(4000),
    max: z.number().optional(),
    min: z.number().optional(),
  })
  .refine(({ max, min }) => (max === undefined) !== (min === undefined), 'needs exactly one of max and min');

/** Somebody outside who is asked about each stage while it runs; the stage passes on a yes that came after its soak. */
export const PlanCheck = z.discriminatedUnion('type', [WebhookCheck, PrometheusCheck]).meta({ id: 'PlanCheck' });
export type PlanCheck = z.infer<typeof PlanCheck>;

export const PlanChecks = z
  .array(PlanCheck)
  .min(1)
  .max(8)
  .refine((checks) => new Set(checks.map(({ name }) => name)).size === checks.length, 'two checks have one name');

/** What the answer to a webhook check must look like. */
export const CheckAnswer = z.object({ verdict: z.enum(['pass', 'fail', 'wait']), detail: z.string().max(1000).default('') });
export type CheckAnswer = z.infer<typeof CheckAnswer>;

export const CheckView = z
  .object({
    name: z.string(),
    verdict: z.enum(['pass', 'fail', 'wait', 'error']),
    detail: z.string(),
    /** How many times in a row it has said so. */
    times: z.int(),
    askedAt: z.iso.datetime(),
    dryRun: z.boolean().optional(),
  })
  .meta({ id: 'CheckView' });
export type CheckView = z.infer<typeof CheckView>;
