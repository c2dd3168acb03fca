import { z } from 'zod';
import { secretFile } from './output-peer.js';

/** Each value by HTTP POST. */
export const WebhookOutput = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be a URL such as https://mes.example/predictions' }).max(1024),
  /** Signs what is sent. */
  secretFile: secretFile.optional(),
});
export type WebhookOutput = z.infer<typeof WebhookOutput>;
