import { z } from 'zod';
import { secretFile, text, withoutPassword } from './output-peer.js';

/** Each value by HTTP POST. */
export const WebhookOutput = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'must be a URL such as https://mes.example/predictions' })
    .max(1024)
    .refine(...withoutPassword),
  /** Signs what is sent. */
  secretFile: secretFile.optional(),
  /** Whom to trust, where it isn't the system's authorities. */
  caFile: text.optional(),
  /** Whether the whole prediction comes with its headline. */
  prediction: z.boolean().default(true),
  /** Of one request, until its answer is there. */
  timeoutS: z.number().min(0.1).max(300).default(10),
});
export type WebhookOutput = z.infer<typeof WebhookOutput>;
